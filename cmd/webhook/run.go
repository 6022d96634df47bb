package main

import (
	"context"
	"io"
	"runtime/debug"

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
	if env("GOGC") == "" {
		// A gate is small and waits for the network: more collecting, a fraction of a
		// processor at 200 writes a second, for a third less memory.
		debug.SetGCPercent(30)
	}
	listener, err := program.Listen("--listen", options.Listen)
	if err != nil {
		return err
	}
	defer listener.Close()
	parts, err := assemble(ctx, options, listener, logger)
	if err != nil {
		return program.Explain(err)
	}
	return program.Explain(parts.run(log.IntoContext(ctx, logger)))
}
