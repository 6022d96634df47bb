package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericiooptions"
)

// uninstall removes Gitlatch from a cluster.
type uninstall struct {
	genericiooptions.IOStreams
	server    *server
	now       func() time.Time
	archive   string // the file that takes the records
	keep      bool   // records stay in the cluster
	discard   bool   // records are lost
	marks     bool   // take the marks off the objects of others
	namespace bool   // the namespace goes with what others have in it
	dryRun    bool
	yes       bool
	timeout   time.Duration
	output    string
}

func newUninstall(server *server, streams genericiooptions.IOStreams, now func() time.Time) *cobra.Command {
	u := &uninstall{IOStreams: streams, server: server, now: now}
	cmd := &cobra.Command{
		Use:   "uninstall (--archive FILE | --keep-records | --discard-records)",
		Short: "Remove Gitlatch from the cluster, and nothing else",
		Long: `Remove Gitlatch, in this order, so that nothing is blocked at any moment:

  off           the off switch: nobody is asked any more, and nothing is restored
  backstop      the admission policies that deny without the webhook
  stop          the Deployments; their pods write down what they still hold
  rights        their roles and bindings: nothing that lingers can come back
  records       archived to a file, kept, or given up: one must be said
  registration  the webhook configurations
  syncs         GitSyncs; what they applied STAYS, whatever their deletionPolicy says
  marks         with --remove-marks: labels and annotations gitlatch.dev/* of all objects
  rest          CRDs, priority objects, and the namespace

Without it the marks stay; they do nothing. So do field managers in managedFields.
The namespace stays if it holds what Gitlatch did not make, such as deploy keys and age
keys: --delete-namespace takes that along. To have what a sync applied deleted, delete
that GitSync, with deletionPolicy Prune, before you uninstall.

-n names the namespace that Gitlatch runs in, if it is not gitlatch-system; the
kubeconfig's makes no difference. Records are counted again once nobody writes one any
more. If there are some, and nothing was said of them, it stops there. A step that fails
ends the run, and what was done is told all the same.

It works with no pod of Gitlatch alive, and goes on where an earlier run ended. It needs
no right that the gate could refuse; RBAC on webhook configurations decides who may.
` + exitCodes,
		Example: `  # what would be removed, and what stays
  kubectl gitlatch uninstall --archive records.jsonl --dry-run

  # records to a file, which "kubectl gitlatch archive verify records.jsonl --head none" checks
  kubectl gitlatch uninstall --archive records.jsonl

  # in a script
  kubectl gitlatch uninstall --keep-records --yes -o json`,
		Args: cobra.NoArgs,
		RunE: act(func(cmd *cobra.Command, _ []string) error {
			if err := u.check(); err != nil {
				return badInput(err)
			}
			return u.run(cmd.Context())
		}),
	}
	f := cmd.Flags()
	f.StringVar(&u.archive, "archive", "", "write every record to this `file`, as the reporter archives them; it must not exist")
	f.BoolVar(&u.keep, "keep-records", false, "leave the records, and their CRD, in the cluster; nobody guards them then")
	f.BoolVar(&u.discard, "discard-records", false, "lose the records")
	f.BoolVar(&u.marks, "remove-marks", false, "take the labels and annotations gitlatch.dev/* off all objects")
	f.BoolVar(&u.namespace, "delete-namespace", false, "delete the namespace even if it holds what Gitlatch did not make")
	f.BoolVar(&u.dryRun, "dry-run", false, "say what would be done, and do nothing")
	f.BoolVar(&u.yes, "yes", false, "do not ask")
	f.DurationVar(&u.timeout, "timeout", 2*time.Minute, "how long to wait for the pods, and then for the rest, to be gone")
	f.StringVarP(&u.output, "output", "o", "table", "table, json or yaml")
	completeWith(cmd, "output", "table", "json", "yaml")
	return cmd
}

func (u *uninstall) check() error {
	if err := checkOutput(u.output, "table", "json", "yaml"); err != nil {
		return err
	}
	said := 0
	for _, is := range []bool{u.archive != "", u.keep, u.discard} {
		if is {
			said++
		}
	}
	switch {
	case said > 1:
		return errors.New("--archive, --keep-records and --discard-records: say one")
	case u.timeout <= 0:
		return fmt.Errorf("--timeout %s: use a time such as 2m", u.timeout)
	case u.output != "table" && !u.yes && !u.dryRun:
		return fmt.Errorf("-o %s: pass --yes as well, since there is nobody to ask", u.output)
	case u.archive != "":
		return archiveAt(u.archive)
	}
	return nil
}

func (u *uninstall) run(ctx context.Context) error {
	r, err := u.plan(ctx)
	if err != nil {
		return err
	}
	if r.Records.Count > 0 && u.archive == "" && !u.keep && !u.discard && !u.dryRun {
		return badInput(fmt.Errorf("there are %d records: %s", r.Records.Count, sayFate))
	}
	if u.dryRun {
		return u.print(r)
	}
	if !u.yes {
		if err := u.print(r); err != nil {
			return err
		}
		if len(r.Steps) == 0 {
			return nil
		}
		if err := u.confirmed(r); err != nil {
			return err
		}
	}
	if len(r.Steps) == 0 {
		return u.printEnd(r)
	}
	if err := u.openArchive(ctx, r); err != nil {
		return err
	}
	err = u.carryOut(ctx, r)
	if closing := u.closeArchive(r, err != nil); err == nil {
		err = closing
	}
	if err != nil {
		r.Failed = err.Error()
	}
	if told := u.printEnd(r); err == nil { // what it did and saw counts even more when it failed
		err = told
	}
	return err
}

// confirmation is what a person types.
const confirmation = "uninstall"

func (u *uninstall) confirmed(r *removal) error {
	fmt.Fprintf(u.ErrOut, "type %q to remove Gitlatch from %s: ", confirmation, r.Place)
	answer, err := bufio.NewReader(u.In).ReadString('\n')
	if strings.TrimSpace(answer) != confirmation {
		if err != nil {
			fmt.Fprintln(u.ErrOut)
		}
		return errors.New("not confirmed: nothing was done")
	}
	return nil
}
