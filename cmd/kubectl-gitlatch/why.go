package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/applier/git"
	"github.com/gitlatch/gitlatch/applier/history"
)

// why tells which commit changed an object last, and what was tried around git.
type why struct {
	genericiooptions.IOStreams
	server  *server
	history bool
	repo    string
	path    string
	pathSet bool
	sync    string
	output  string
	now     func() time.Time
}

func newWhy(server *server, streams genericiooptions.IOStreams, now func() time.Time) *cobra.Command {
	w := &why{IOStreams: streams, server: server, now: now}
	cmd := &cobra.Command{
		Use:   "why (TYPE/NAME | TYPE NAME)",
		Short: "Show the commit that last changed an object: who, what, when, why",
		Long: `Show the commit that last changed an object in git: author, committer, the
verified signer and reviewers, date, message, the file that declares it, and a
link. It is found by what the folder renders for the object, so it is exact
through Kustomize and Helm, and a file that was only renamed is no change.
Beneath it stand the changes to the object that were tried around git.

The object's sync says which repository, folder and commit; the answer comes
from git alone. The repository is the clone in the working directory if it has
that commit, else one that is fetched, without credentials, into the user's
cache. For a repository that asks for credentials pass --repo with a clone of
yours. An object that Flux or Argo CD applies is answered with --repo and
--path.

Signatures are judged by the trust roots that the sync names now, or, where
you may not read them, are those that the applier verified. What is encrypted
stays so: no key is needed, and no value is shown.
` + exitCodes,
		Example: `  kubectl gitlatch why deployment/web -n prod

  # every commit that changed it
  kubectl gitlatch why deployment/web -n prod --history

  # what removed an object that is gone
  kubectl gitlatch why configmap/old -n prod --sync gitlatch-system/prod

  # from a clone, for an object that Flux applies
  kubectl gitlatch why deployment/web -n prod --repo ~/ops --path clusters/prod`,
		Args: cobra.RangeArgs(1, 2),
		RunE: act(func(cmd *cobra.Command, args []string) error {
			w.pathSet = cmd.Flags().Changed("path")
			if err := w.check(); err != nil {
				return err
			}
			return w.run(cmd.Context(), args)
		}),
	}
	f := cmd.Flags()
	f.BoolVar(&w.history, "history", false, "every commit that changed it, newest first")
	f.StringVar(&w.repo, "repo", "", "a clone of the repository; left out: the working directory, or one in the cache")
	f.StringVar(&w.path, "path", "", "the folder that declares the object, below the repository's root; left out: that of its sync")
	f.StringVar(&w.sync, "sync", "", "the GitSync, [NAMESPACE/]NAME, of an object that is gone or bears no mark, in gitlatch-system where no namespace is named; left out: the one that its label names")
	f.StringVarP(&w.output, "output", "o", "", "json or yaml; left out: for people")
	completeWith(cmd, "output", "json", "yaml")
	return cmd
}

func (w *why) check() error {
	if err := checkOutput(w.output, "", "json", "yaml"); err != nil {
		return err
	}
	if w.pathSet && w.repo == "" && w.sync == "" {
		return badInput(errors.New("--path needs --repo: a clone in which to look"))
	}
	return nil
}

func (w *why) run(ctx context.Context, args []string) error {
	found, err := w.find(args)
	if err != nil {
		return err
	}
	place, err := w.place(ctx, found)
	if err != nil {
		return err
	}
	answer, err := w.ask(ctx, found, place)
	if err != nil {
		return err
	}
	if answer.Records, err = w.records(ctx, found); err != nil {
		fmt.Fprintf(w.ErrOut, "the records of what was tried around git are left out: %v\n", err)
	}
	if w.output != "" {
		return printAs(w.Out, w.output, answer)
	}
	return printWhy(w.Out, answer, w.now())
}

// ask looks the object up in git.
func (w *why) ask(ctx context.Context, found *subject, at *place) (*whyAnswer, error) {
	h := &history.History{Repository: at.repository, Options: at.options, Index: whyIndex()}
	object := history.Object{Group: found.kind.Group, Kind: found.kind.Kind, Namespace: found.namespace, Name: found.name, Default: at.namespace}
	q := history.Question{Object: object, Commit: at.commit, File: v1alpha1.SourceFile(found.annotation(v1alpha1.AnnotationSource))}
	ask := h.Last
	if w.history {
		ask = h.All
	}
	said, err := ask(ctx, q)
	if err != nil {
		return nil, err
	}
	if len(said.Changes) == 0 {
		return nil, fmt.Errorf("%s is not in git: %s does not declare it at %s, and never did", found, at, shortHash(at.commit))
	}
	answer := &whyAnswer{Object: whyObject{Group: object.Group, Kind: object.Kind, Namespace: object.Namespace, Name: object.Name},
		Sync: at.syncName(), Repository: at.url, Path: at.options.Path, Commit: at.commit, Declared: said.Declared, File: said.File}
	for _, change := range said.Changes {
		one := whyChangeOf(change, at.url)
		if err := at.stand(ctx, &one, change.Signed); err != nil {
			return nil, err
		}
		answer.Changes = append(answer.Changes, one)
	}
	return answer, nil
}

// stand fills in who stands for a commit: by the trust roots where they can be read,
// else as the applier found.
func (p *place) stand(ctx context.Context, change *whyChange, signed bool) error {
	if p.trust == nil {
		for _, applied := range p.applied {
			if applied.Commit == change.Commit {
				change.Signer, change.Reviewers = applied.Signer, applied.Reviewers
			}
		}
		return nil
	}
	verified, err := p.repository.Verify(ctx, git.Demand{Trust: *p.trust, Commit: change.Commit})
	unverified := (*git.UnverifiedError)(nil)
	switch {
	case errors.As(err, &unverified) && signed:
		change.Unverified = unverified.Reason
	case errors.As(err, &unverified):
	case err != nil:
		return fmt.Errorf("judging the signature of %s: %w", shortHash(change.Commit), err)
	default:
		change.Signer, change.Key, change.Reviewers = verified.Signer, verified.Key, verified.Reviewers
	}
	return nil
}

func shortHash(hash string) string { return hash[:min(7, len(hash))] }
