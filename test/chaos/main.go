// Command chaos is `make chaos`: it loads Gitlatch and breaks what it stands on, on real control planes, and prints each
// figure beside what is promised. docs/chaos.md says what each scenario does. A promise that isn't kept is exit code 1.
//
//	chaos -list                      the scenarios
//	chaos -only etcd,slow            some of them
//	chaos -short                     each in about a minute
//	chaos -for 10m -kills 300        how long load lasts, how often is killed
//	chaos -seed 42                   the same order of random events again
//	chaos -o json                    the figures, to be read by a program
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/klog/v2"
	logf "sigs.k8s.io/controller-runtime/pkg/log"
)

func main() {
	switch err := run(os.Args[1:], os.Stdout, os.Stderr); {
	case err == nil || errors.Is(err, flag.ErrHelp):
	default:
		fmt.Fprintln(os.Stderr, "chaos:", err)
		os.Exit(1)
	}
}

// options are the command line.
type options struct {
	output string // table or json
	only   []string
	list   bool
	short  bool
	keep   bool
	seed   uint64
	length time.Duration // 0: the scenario's own
	kills  int           // 0: the scenario's own
	binary string        // a webhook; empty: it is built
}

func run(args []string, out, progress io.Writer) error {
	o, err := parse(args, progress)
	if err != nil {
		return err
	}
	if o.list {
		return list(out)
	}
	klog.SetLogger(logr.Discard()) // what a client has to say is no figure
	logf.SetLogger(logr.Discard())
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	fmt.Fprintf(progress, "seed %d\n", o.seed)
	began := observe()
	var reports []*report
	for _, s := range scenarios() {
		if len(o.only) > 0 && !slices.Contains(o.only, s.name) || ctx.Err() != nil {
			continue
		}
		reports = append(reports, s.report(ctx, o, progress))
	}
	if err := write(out, o, reports, began.over()); err != nil {
		return err
	}
	return verdict(ctx, reports)
}

// verdict is the exit: an error for every promise that was not shown to be kept.
func verdict(ctx context.Context, reports []*report) error {
	var wrong []string
	for _, r := range reports {
		if n := r.broken(); n > 0 {
			wrong = append(wrong, fmt.Sprintf("%s: %d broken", r.Scenario, n))
		}
		if r.Error != "" {
			wrong = append(wrong, r.Scenario+": "+r.Error)
		}
	}
	if err := ctx.Err(); err != nil {
		wrong = append(wrong, "interrupted: not everything was run")
	}
	if len(wrong) == 0 {
		return nil
	}
	return fmt.Errorf("promises: %s", strings.Join(wrong, "; "))
}

func parse(args []string, help io.Writer) (*options, error) {
	o, only := &options{}, ""
	f := flag.NewFlagSet("chaos", flag.ContinueOnError)
	f.SetOutput(help)
	f.StringVar(&o.output, "o", "table", "output: table or json")
	f.BoolVar(&o.list, "list", false, "list the scenarios")
	f.StringVar(&only, "only", "", "run these scenarios only, by comma: "+strings.Join(names(), ", "))
	f.BoolVar(&o.short, "short", false, "run each scenario in about a minute")
	f.BoolVar(&o.keep, "keep", false, "leave the directories of the control planes behind, with their logs")
	f.Uint64Var(&o.seed, "seed", rand.Uint64N(1e6), "the seed of what is random; left out, a random one, printed")
	f.DurationVar(&o.length, "for", 0, "how long load lasts; left out, as the scenario has it")
	f.IntVar(&o.kills, "kills", 0, "how often a process is killed; left out, as the scenario has it")
	f.StringVar(&o.binary, "webhook", "", "the webhook's program; left out, it is built from the source that is here")
	if err := f.Parse(args); err != nil {
		return nil, err
	}
	switch {
	case f.NArg() > 0:
		return nil, fmt.Errorf("reading the command line: there is no argument %q; scenarios go with -only", f.Arg(0))
	case o.output != "table" && o.output != "json":
		return nil, fmt.Errorf("reading the command line: -o %q is neither table nor json", o.output)
	case o.length < 0:
		return nil, fmt.Errorf("reading the command line: -for %s is no time to come", o.length)
	case o.kills < 0:
		return nil, fmt.Errorf("reading the command line: -kills %d is no number of kills", o.kills)
	}
	for name := range strings.SplitSeq(only, ",") {
		if name == "" {
			continue
		}
		if !slices.Contains(names(), name) {
			return nil, fmt.Errorf("reading the command line: -only: there is no scenario %q", name)
		}
		o.only = append(o.only, name)
	}
	return o, nil
}
