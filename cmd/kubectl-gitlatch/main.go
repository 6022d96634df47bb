// Command kubectl-gitlatch is the kubectl plugin "kubectl gitlatch": it shows
// the records of out-of-band changes, breaks glass in an emergency, and tells
// what a policy would have denied in the past. It talks to the API server as
// whoever runs it, with their rights; the gate judges it like any other client.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"time"

	"k8s.io/cli-runtime/pkg/genericiooptions"
)

func main() {
	if err := run(); err != nil {
		os.Exit(report(os.Stderr, err))
	}
}

func run() error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	streams := genericiooptions.IOStreams{In: os.Stdin, Out: os.Stdout, ErrOut: os.Stderr}
	return newRoot(streams, time.Now).ExecuteContext(ctx)
}
