package program

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"slices"

	"k8s.io/apimachinery/pkg/util/validation"
)

// NewFlags is a set of flags that says nothing by itself; see [Parse].
func NewFlags(name string) *flag.FlagSet {
	f := flag.NewFlagSet(name, flag.ContinueOnError)
	f.SetOutput(io.Discard)
	return f
}

// Parse reads the command line. Its error is one line; [flag.ErrHelp] after --help,
// for which the program's purpose and its flags were written to help.
func Parse(f *flag.FlagSet, args []string, purpose string, help io.Writer) error {
	switch err := f.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		f.SetOutput(help)
		fmt.Fprintln(help, purpose)
		f.PrintDefaults()
		return err
	case err != nil:
		return UsageError{fmt.Errorf("reading the command line: %w; %s --help lists the flags", err, f.Name())}
	case f.NArg() > 0:
		return UsageError{fmt.Errorf("reading the command line: %q is no flag; %s --help lists the flags", f.Arg(0), f.Name())}
	}
	return nil
}

// CheckAddress wants host:port of a flag, or one of the values that switch off what
// it is about.
func CheckAddress(name, value string, off ...string) error {
	if slices.Contains(off, value) {
		return nil
	}
	if _, port, err := net.SplitHostPort(value); err != nil || port == "" {
		return fmt.Errorf("%s %q: must be host:port, such as :9443", name, value)
	}
	return nil
}

// CheckName wants the name of a Kubernetes object.
func CheckName(name, value string) error {
	if len(validation.IsDNS1123Subdomain(value)) > 0 {
		return fmt.Errorf("%s %q: must be a name, in lower case", name, value)
	}
	return nil
}

// CheckVerbosity wants one of the two levels that are logged.
func CheckVerbosity(v int) error {
	if v < 0 || v > 1 {
		return fmt.Errorf("-v %d: must be 0 or 1", v)
	}
	return nil
}

// Hostname is a replica's name where no pod's is known.
func Hostname(otherwise string) string {
	name, err := os.Hostname()
	if err != nil || name == "" {
		return otherwise
	}
	return name
}
