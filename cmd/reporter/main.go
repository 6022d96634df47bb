// Command reporter sees to it that whoever must know is told: it reviews, archives
// and announces the records, watches whether the gate is shut, and looks for what got
// around it. It imports reporter, and only starts it: options.go says what can be
// set, parts.go what there is, run.go in which order it starts.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/gitlatch/gitlatch/cmd/internal/program"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Getenv, os.Stdout, os.Stderr, program.ForLibraries)
	stop()
	os.Exit(program.Report("reporter", err, os.Stderr))
}
