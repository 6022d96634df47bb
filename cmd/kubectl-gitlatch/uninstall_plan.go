package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

// removal is what uninstall does, and what it leaves.
type removal struct {
	DryRun bool `json:"dryRun"`
	// Place is the cluster that was asked.
	Place removalPlace `json:"cluster"`
	// Steps in their order; one with nothing to do is left out.
	Steps []*removalStep `json:"steps"`
	// Records is what becomes of them.
	Records removedRecords `json:"records"`
	// Kept are objects that stay, with the reason.
	Kept []keptObject `json:"kept"`
	// Notes are for people.
	Notes []string `json:"notes"`
	// Failed is why it was not carried out to its end.
	Failed string `json:"failed,omitempty"`

	cluster *removalCluster
	archive *removalArchive
}

type removalStep struct {
	Step    string   `json:"step"`
	Objects []string `json:"objects"`
	Done    bool     `json:"done"`

	targets []removed
	do      func(context.Context, *removal, *removalStep) error
}

type removedRecords struct {
	Count int `json:"count"`
	// Fate is archived, kept, discarded, or "" while nothing was said.
	Fate string `json:"fate"`
	File string `json:"file,omitempty"`
	// Head is the end of the archive, to compare it with on another day.
	Head string `json:"head,omitempty"`
}

type keptObject struct {
	Object string `json:"object"`
	Why    string `json:"why"`
}

// plan reads what there is, and says what will be done with it.
func (u *uninstall) plan(ctx context.Context) (*removal, error) {
	c, err := u.server.removalCluster(ctx)
	if err != nil {
		return nil, err
	}
	if err := c.elsewhere(ctx); err != nil {
		return nil, err
	}
	r := &removal{DryRun: u.dryRun, Place: c.place, cluster: c, Steps: []*removalStep{}, Kept: []keptObject{}, Notes: []string{}}
	ours, err := r.ours(ctx)
	if err != nil {
		return nil, err
	}
	if err := u.served(c, ours); err != nil {
		return nil, err
	}
	if r.Records, err = u.recordsOf(ctx, c); err != nil {
		return nil, err
	}
	if err := u.noteHeads(ctx, r); err != nil {
		return nil, err
	}
	u.sort(r, ours)
	if err := u.planPods(ctx, r); err != nil {
		return nil, err
	}
	if err := u.planNamespace(ctx, r, ours); err != nil {
		return nil, err
	}
	if err := u.planMarks(ctx, r); err != nil {
		return nil, err
	}
	return r, u.planBindings(ctx, r)
}

func (u *uninstall) recordsOf(ctx context.Context, c *removalCluster) (removedRecords, error) {
	r := removedRecords{File: u.archive}
	switch {
	case u.archive != "":
		r.Fate = "archived"
	case u.keep:
		r.Fate = "kept"
	case u.discard:
		r.Fate = "discarded"
	}
	found := map[types.UID]bool{} // a list that was begun anew shows them again
	err := c.each(ctx, c.kind(v1alpha1.Group, "changerecords"), metav1.ListOptions{}, func(o *metav1.PartialObjectMetadata) error {
		found[o.UID] = true
		return nil
	})
	r.Count = len(found)
	return r, err
}

// sort puts what is Gitlatch's into the steps that remove it.
func (u *uninstall) sort(r *removal, ours []removed) {
	steps := map[string]*removalStep{}
	for _, s := range []removalStep{
		{Step: "off", do: u.switchOff}, {Step: "backstop", do: u.deleteAll}, {Step: "stop", do: u.stopAll},
		{Step: "rights", do: u.deleteAll}, {Step: "records", do: u.saveRecords}, {Step: "registration", do: u.deleteAll},
		{Step: "syncs", do: u.freeSyncs}, {Step: "marks", do: u.removeMarks}, {Step: "rest", do: u.deleteRest},
	} {
		steps[s.Step] = &s
		r.Steps = append(r.Steps, &s)
	}
	put := func(step string, t removed) { steps[step].targets = append(steps[step].targets, t) }
	for _, t := range ours {
		switch resource := t.kind.Resource; {
		case t.kind.Group == admissionGroup && strings.HasSuffix(resource, "webhookconfigurations"):
			put("off", t)
			put("registration", t)
		case t.kind.Group == admissionGroup:
			put("backstop", t)
		case resource == "deployments":
			put("stop", t)
		case t.kind.Group == "rbac.authorization.k8s.io":
			put("rights", t)
		case t.kind.Group == v1alpha1.Group && resource == "gitsyncs":
			put("syncs", t)
		case resource == crdResource && u.keep && t.name == recordsCRD:
			r.Kept = append(r.Kept, keptObject{t.String(), "--keep-records: it holds the records, which nobody guards any more"})
		default:
			put("rest", t)
		}
	}
	// A policy goes before its binding in the alphabet, and must go after it.
	slices.SortStableFunc(steps["backstop"].targets, func(a, b removed) int { return strings.Compare(b.kind.Resource, a.kind.Resource) })
	if slices.ContainsFunc(steps["rest"].targets, isRecordsCRD) {
		steps["records"].Objects = []string{fmt.Sprintf("%d changerecords, and what is written until then", r.Records.Count)}
	}
	for _, s := range r.Steps {
		for _, t := range s.targets {
			s.Objects = append(s.Objects, t.String())
		}
	}
}

// prune leaves out the steps that have nothing to do.
func (r *removal) prune() {
	r.Steps = slices.DeleteFunc(r.Steps, func(s *removalStep) bool { return len(s.Objects) == 0 })
}

func (r *removal) note(format string, args ...any) {
	if text := fmt.Sprintf(format, args...); !slices.Contains(r.Notes, text) {
		r.Notes = append(r.Notes, text)
	}
}

// planBindings tells of bindings of others to roles that go: they would give nothing.
func (u *uninstall) planBindings(ctx context.Context, r *removal) error {
	if !slices.ContainsFunc(r.Steps, func(s *removalStep) bool { return s.Step == "rights" }) {
		return nil
	}
	bindings, err := r.cluster.bindings(ctx)
	if apierrors.IsForbidden(err) {
		r.note("which bindings name Gitlatch's roles is not known: %s", line(err.Error()))
		return nil
	}
	if err != nil {
		return err
	}
	for _, b := range bindings {
		r.Kept = append(r.Kept, keptObject{b, "it is yours; the role that it names goes, so that it gives nothing"})
	}
	return nil
}
