package program

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"
	"syscall"
)

// UsageError is what the person who starts the program can mend: a flag, a file, a
// port. The program ends with 2 then, and with 1 for anything else.
type UsageError struct{ Err error }

// Error implements error.
func (e UsageError) Error() string { return e.Err.Error() }

// Unwrap gives what is wrong.
func (e UsageError) Unwrap() error { return e.Err }

// Report writes the one line about an error of the named program and returns the
// exit code. Asking for help is no error.
func Report(name string, err error, to io.Writer) int {
	if err == nil || errors.Is(err, flag.ErrHelp) {
		return 0
	}
	fmt.Fprintln(to, name+": "+strings.Join(strings.Fields(err.Error()), " "))
	if usage := (UsageError{}); errors.As(err, &usage) {
		return 2
	}
	return 1
}

// Explain marks the errors that whoever starts the program can mend.
func Explain(err error) error {
	if usage := (UsageError{}); err == nil || errors.As(err, &usage) {
		return err
	}
	if errors.Is(err, syscall.EADDRINUSE) {
		return UsageError{fmt.Errorf("%w; choose another address with --metrics-bind-address or --health-probe-bind-address", err)}
	}
	return err
}
