// Command bench is `make bench`: it measures what Gitlatch costs, in one run of a few minutes, and prints a table with
// the target beside each figure that has one.
//
//	judge    policy.Decide, by the benchmarks of package policy
//	handler  one review, without the network and the record's write, by the benchmarks of package webhook
//	binary   the webhook's program
//	writes   patches through a real API server, with Gitlatch and without, by turns
//	memory   the webhook's process: idle, under load, and with 1,000 CRDs installed
//	applier  first syncs of 1,000 and 5,000 objects against a bare client, the same commit again, one object changed,
//	         drift, memory, and a cluster recreated
//	history  a long history, cloned, walked and kept
//	why      the commit that last changed an object, by the benchmarks of package applier/history
//	bypass   the bypass review: 5,000 and 20,000 objects, and 1 GiB of audit log
//	flood    10,000 denials in a minute: what is on record, and what others feel of it
//	records  50,000 records listed, filtered and summed up by the plugin
//
// Two control planes run side by side for the writes, the same but for Gitlatch, and each write goes to one and then
// to the other. So what a busy machine does to one it does to the other, and their ratio holds where the figures don't.
//
// A missed target is said and changes nothing, unless --strict asks for exit code 1.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/klog/v2"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/gitlatch/gitlatch/test/figures"
)

func main() {
	switch err := run(os.Args[1:], os.Stdout, os.Stderr); {
	case err == nil || errors.Is(err, flag.ErrHelp):
	default:
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// options are the command line.
type options struct {
	output string // table or json
	strict bool
	only   []string // names of sections; none: all
}

// section is one part of a run.
type section struct {
	name    string
	measure func(context.Context, io.Writer) ([]Table, error)
}

func sections() []section {
	return []section{
		{"judge", judge},
		{"handler", handler},
		{"binary", binary},
		{"writes", writes},
		{"memory", memory},
		{"applier", carry},
		{"history", history},
		{"why", why},
		{"bypass", bypassReview},
		{"flood", flood},
		{"records", manyRecords},
	}
}

func names() []string {
	var all []string
	for _, s := range sections() {
		all = append(all, s.name)
	}
	return all
}

func run(args []string, out, progress io.Writer) error {
	o, err := parse(args)
	if err != nil {
		return err
	}
	klog.SetLogger(logr.Discard()) // what a client has to say is no figure
	logf.SetLogger(logr.Discard())
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	began, load := time.Now(), figures.LoadAverage()
	finish := func(tables []Table) error {
		return write(out, o.output, tables, circumstances{runtime.NumCPU(), load, time.Since(began).Seconds()})
	}
	var tables []Table
	for _, s := range sections() {
		if len(o.only) > 0 && !slices.Contains(o.only, s.name) {
			continue
		}
		measured, err := s.measure(ctx, progress)
		if err != nil {
			return errors.Join(fmt.Errorf("measuring %s: %w", s.name, err), finish(tables))
		}
		tables = append(tables, measured...)
	}
	if err := finish(tables); err != nil {
		return err
	}
	if n := missed(tables); o.strict && n > 0 {
		return fmt.Errorf("%d targets missed", n)
	}
	return nil
}

func parse(args []string) (*options, error) {
	o, only := &options{}, ""
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.StringVar(&o.output, "o", "table", "output: table or json")
	f.BoolVar(&o.strict, "strict", false, "exit with 1 when a target is missed")
	f.StringVar(&only, "only", "", "measure these sections only, by comma: "+strings.Join(names(), ", "))
	if err := f.Parse(args); err != nil {
		return nil, err
	}
	if o.output != "table" && o.output != "json" {
		return nil, fmt.Errorf("reading the command line: -o %q is neither table nor json", o.output)
	}
	for name := range strings.SplitSeq(only, ",") {
		if name == "" {
			continue
		}
		if !slices.ContainsFunc(sections(), func(s section) bool { return s.name == name }) {
			return nil, fmt.Errorf("reading the command line: -only: there is no section %q", name)
		}
		o.only = append(o.only, name)
	}
	return o, nil
}
