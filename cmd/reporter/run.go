package main

import (
	"context"
	"io"

	"github.com/go-logr/logr"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/gitlatch/gitlatch/cmd/internal/program"
)

// run is the program. Its logger is handed to speak: libraries log through one of
// the process.
func run(ctx context.Context, args []string, env func(string) string, stdout, stderr io.Writer, speak func(logr.Logger)) error {
	options, err := parseOptions(args, env, stdout)
	if err != nil {
		return err
	}
	if err := options.Validate(); err != nil {
		return program.UsageError{Err: err}
	}
	logger := program.NewLogger(stderr, options.Verbosity)
	speak(logger)
	ctx = log.IntoContext(ctx, logger)
	parts, err := assemble(ctx, options, logger, stdout)
	if err != nil {
		return program.Explain(err)
	}
	logger.Info("starting", "replica", options.Replica)
	return program.Explain(parts.manager.Start(ctx))
}
