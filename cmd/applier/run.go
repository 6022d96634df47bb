package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"runtime/debug"

	"github.com/go-logr/logr"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/gitlatch/gitlatch/applier"
	"github.com/gitlatch/gitlatch/cmd/internal/program"
)

// gcPercent trades CPU for memory, unless GOGC says otherwise: the heap peaks while
// thousands of objects are rendered, and is small in between.
const gcPercent = 50

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
	if env("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	logger := program.NewLogger(stderr, options.Verbosity)
	speak(logger)
	if err := prepare(options); err != nil {
		return program.UsageError{Err: err}
	}
	config, err := program.Config(options.Kubeconfig, "gitlatch-applier")
	if err != nil {
		return err
	}
	manager, err := newManager(ctx, options, config, logger)
	if err != nil {
		return program.Explain(err)
	}
	if err := applier.Setup(manager, options.applier(config)); err != nil {
		return program.Explain(err)
	}
	logger.Info("starting", "replica", options.Replica, "dataDir", options.DataDir)
	return program.Explain(manager.Start(log.IntoContext(ctx, logger)))
}

// prepare sees to what would otherwise fail at the first push or the first fetch,
// when nobody is looking.
func prepare(o *Options) error {
	if o.ReceiverAddress != "" {
		listener, err := program.Listen("--receiver-bind-address", o.ReceiverAddress)
		if err != nil {
			return err
		}
		if err := listener.Close(); err != nil {
			return fmt.Errorf("listening on %s: %w", o.ReceiverAddress, err)
		}
	}
	if err := os.MkdirAll(o.DataDir, 0o700); err != nil {
		return fmt.Errorf("making the data directory: %w; choose another with --data-dir", err)
	}
	probe, err := os.CreateTemp(o.DataDir, ".writable-")
	if err != nil {
		return fmt.Errorf("writing to the data directory: %w; choose another with --data-dir", err)
	}
	_ = probe.Close() // nothing was written
	if err := os.Remove(probe.Name()); err != nil {
		return fmt.Errorf("writing to the data directory: %w; choose another with --data-dir", err)
	}
	return nil
}
