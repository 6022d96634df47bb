// Command binaries builds the control plane that the tests and the demo run on, if it is not yet in the cache, and
// prints the directory that it is in.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"

	"github.com/gitlatch/gitlatch/test/cluster"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "binaries:", err)
		os.Exit(1)
	}
}

func run() error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	assets, err := cluster.Binaries(ctx, os.Stderr)
	if err != nil {
		return err
	}
	fmt.Println(filepath.Dir(assets.APIServer))
	return nil
}
