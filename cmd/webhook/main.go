// Command webhook is the gate: it serves the two admission webhooks and keeps
// them registered. It imports webhook, its two rooms and reporter/record, and
// only puts them together: options.go says what can be set, parts.go what there
// is, lifecycle.go in which order it starts and stops.
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
	os.Exit(program.Report("webhook", err, os.Stderr))
}
