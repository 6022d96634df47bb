package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/go-logr/logr"
	"k8s.io/klog/v2"
	"sigs.k8s.io/controller-runtime/pkg/log"
)

// usageError is what the person who starts the program can mend: a flag, a file,
// a port. The program ends with 2 then, and with 1 for anything else.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// report writes the one line about an error and returns the exit code.
func report(err error, to io.Writer) int {
	var usage usageError
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
		return 0
	case errors.As(err, &usage):
		fmt.Fprintln(to, "webhook: "+oneLine(err))
		return 2
	}
	fmt.Fprintln(to, "webhook: "+oneLine(err))
	return 1
}

func oneLine(err error) string { return strings.Join(strings.Fields(err.Error()), " ") }

// run is the program. Its logger is handed to speak: libraries log through one of
// the process.
func run(ctx context.Context, args []string, env func(string) string, stdout, stderr io.Writer, speak func(logr.Logger)) error {
	options, err := parseOptions(args, env, stdout)
	if err != nil {
		return err
	}
	if err := options.Validate(); err != nil {
		return usageError{err}
	}
	logger := newLogger(stderr, options.Verbosity)
	speak(logger)
	if env("GOGC") == "" {
		// A gate is small and waits for the network: more collecting, a fraction of a
		// processor at 200 writes a second, for a third less memory.
		debug.SetGCPercent(30)
	}
	listener, err := listen("--listen", options.Listen)
	if err != nil {
		return err
	}
	defer listener.Close()
	parts, err := assemble(ctx, options, listener, logger)
	if err != nil {
		return explain(err)
	}
	return explain(parts.run(log.IntoContext(ctx, logger)))
}

// forLibraries has the libraries log through this logger.
func forLibraries(l logr.Logger) {
	log.SetLogger(l)
	klog.SetLogger(l.WithName("client-go").V(1)) // it tells much, and little that helps
}

// listen takes the port before anything else is done: a port in use is the
// mistake that is made most.
func listen(name, address string) (net.Listener, error) {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, usageError{fmt.Errorf("listening on %s: %w; free it, or choose another with %s", address, err, name)}
	}
	return listener, nil
}

// explain marks the errors that whoever starts the program can mend.
func explain(err error) error {
	var usage usageError
	if err == nil || errors.As(err, &usage) {
		return err
	}
	if errors.Is(err, syscall.EADDRINUSE) {
		return usageError{fmt.Errorf("%w; choose another address with --metrics-bind-address or --health-probe-bind-address", err)}
	}
	return err
}

func newLogger(to io.Writer, verbosity int) logr.Logger {
	return logr.FromSlogHandler(slog.NewJSONHandler(to, &slog.HandlerOptions{Level: slog.Level(-verbosity)}))
}

// hostname is the replica's name where no pod's is known.
func hostname() string {
	name, err := os.Hostname()
	if err != nil || name == "" {
		return "webhook"
	}
	return name
}
