package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

// The exit codes, as the help documents them.
const (
	exitRefused     = 1   // refused, or an error of the API server
	exitUsage       = 2   // bad flags, bad input, no kubeconfig
	exitIncomplete  = 3   // preflight alone: nothing blocks, as far as could be seen
	exitInterrupted = 130 // by a signal, as shells report it
)

const exitCodes = `
Exit codes: 0 done; 1 refused, not found, or an error of the API server;
2 bad flags, bad input or no kubeconfig.`

// exitError is an error with its exit code. Without err there is nothing to
// print: the output said it.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit %d", e.code)
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

// badInput marks an error as the caller's to mend.
func badInput(err error) error { return &exitError{code: exitUsage, err: err} }

// act runs a command. What it returns without a code of its own is a refusal
// or an error of the API server; what cobra returns before it is bad usage.
func act(run func(cmd *cobra.Command, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		err := run(cmd, args)
		if coded := (*exitError)(nil); err == nil || errors.As(err, &coded) {
			return err
		}
		return &exitError{code: exitRefused, err: err}
	}
}

// gateWord begins a refusal of the gate, which is several webhooks under names of one
// ending.
var gateWord = regexp.MustCompile(`admission webhook "([a-z]+\.)*(` + regexp.QuoteMeta(v1alpha1.GateName) + `|` + regexp.QuoteMeta(v1alpha1.FinalName) + `)"`)

// report prints an error and returns its exit code.
func report(out io.Writer, err error) int {
	if errors.Is(err, context.Canceled) {
		return exitInterrupted
	}
	if errors.Is(err, syscall.EPIPE) {
		return exitRefused // the reader, such as head, has had enough
	}
	code := exitUsage
	if coded := (*exitError)(nil); errors.As(err, &coded) {
		code = coded.code
		if coded.err == nil {
			return code
		}
	}
	message := err.Error()
	// The gate's refusal is written to be read as it stands, on lines of its own.
	if found := gateWord.FindStringIndex(message); found == nil || found[0] > 0 {
		message = "error: " + strings.ReplaceAll(strings.TrimSpace(message), "\n", "; ")
	}
	fmt.Fprintln(out, message)
	return code
}
