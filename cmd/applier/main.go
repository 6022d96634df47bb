// Command applier carries commits from git to the cluster and keeps what they
// declare there. It imports applier, and only starts it: options.go says what can be
// set, manager.go what there is, run.go in which order it starts.
package main

import (
	"context"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/gitlatch/gitlatch/cmd/internal/program"
)

func main() {
	slog.SetDefault(slog.New(slog.DiscardHandler)) // the renderers log what they read through it, and through log
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Getenv, os.Stdout, os.Stderr, program.ForLibraries)
	stop()
	os.Exit(program.Report("applier", err, os.Stderr))
}
