package webhook

import (
	"fmt"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

// fluxKustomization is the label of what a Kustomization of Flux carries.
const fluxKustomization = "kustomize.toolkit.fluxcd.io/name"

// likeness is how a target compares with its state before the window. The zero
// value is "could not be told".
type likeness int

const (
	untold likeness = iota
	same
	different
	gone   // different: it was there before
	remade // different: another object has its name
	made   // different: it was not there before
)

// verdict compares the live object with the records. It reads no values of the
// object: it goes by uid, existence and generation, and by the changes that the
// records list.
func (h *history) verdict(live *metav1.PartialObjectMetadata, err error) likeness {
	if err != nil {
		return untold
	}
	first := &h.records[0]
	before := first.Spec.Target
	switch {
	case first.Spec.Request.Operation == "CREATE" && first.Spec.Request.Subresource == "":
		if live == nil {
			return same // it was not there, and is not
		}
		return made
	case live == nil:
		return gone
	case before == nil || before.UID == "":
		return untold
	case before.UID != live.UID:
		return remade
	}
	return h.net(live.Generation)
}

// net is what the recorded changes come to, one after the other: a person may
// have put back by hand what they changed. Where somebody else has written the
// object since, nothing can be told.
func (h *history) net(generation int64) likeness {
	type span struct{ from, to string }
	spans, cut := map[string]span{}, false
	for i := range h.records {
		spec := &h.records[i].Spec
		cut = cut || spec.ChangesOmitted > 0
		for _, c := range spec.Changes {
			if ownMark(c.Path) {
				continue
			}
			s, seen := spans[c.Path]
			if !seen {
				s.from = c.From
			}
			s.to = c.To
			// A redacted or shortened value is not comparable, but that it changed is
			// known as long as nothing else happened to it.
			if seen && (masked(s.from) || masked(s.to)) {
				return untold
			}
			spans[c.Path] = s
		}
	}
	if known, expected := h.generations(); known && generation > expected {
		return untold
	}
	for _, s := range spans {
		if s.from != s.to {
			return different
		}
	}
	if cut {
		return untold
	}
	return same
}

// generations is the highest generation that the recorded writes can have led to:
// each raises it by one at the most. Not known: the kind has none, or only a
// Scale was seen, which carries none.
func (h *history) generations() (known bool, highest int64) {
	for i := range h.records {
		if t := h.records[i].Spec.Target; t != nil && t.Generation > 0 {
			known, highest = true, t.Generation+int64(len(h.records)-i)
		}
	}
	return known, highest
}

// ownMark says that the path is an annotation of Gitlatch's own, which differs
// without anything being different.
func ownMark(path string) bool { return strings.Contains(path, "gitlatch.dev/break-glass") }

// masked says that a recorded value is not the whole value.
func masked(value string) bool {
	return strings.Contains(value, "***") || strings.Contains(value, "…")
}

func seenFirst(rec *v1alpha1.ChangeRecord) time.Time {
	if !rec.Status.FirstSeen.IsZero() {
		return rec.Status.FirstSeen.Time
	}
	return rec.CreationTimestamp.Time
}

// closingSummary gathers the verdicts on all targets of a window.
type closingSummary struct {
	window    string // the record that opened it
	differing []string
	untold    []string
	unread    int
	paused    *history // what Flux leaves alone for the sake of this window
}

// add takes a target in as it is now; live is nil where it is not there, or where
// err says why it could not be read.
func (s *closingSummary) add(h *history, live *metav1.PartialObjectMetadata, err error) {
	if live != nil && pausedBy(s.window, live) {
		s.paused = h
	}
	name := h.String()
	switch h.verdict(live, err) {
	case untold:
		s.untold = append(s.untold, name)
	case different:
		s.differing = append(s.differing, name)
	case gone:
		s.differing = append(s.differing, name+" (deleted)")
	case remade:
		s.differing = append(s.differing, name+" (deleted and created again)")
	case made:
		s.differing = append(s.differing, name+" (created)")
	}
}

// pausedBy says that the object carries the marks of the window and Flux leaves it
// alone for them. Only Flux's Kustomizations heed the mark.
func pausedBy(window string, live *metav1.PartialObjectMetadata) bool {
	return live.Annotations[v1alpha1.AnnotationBreakGlassRecord] == window &&
		live.Annotations[fluxReconcile] == fluxDisabled && live.Labels[fluxKustomization] != ""
}

// result is the answer over all targets, and what is left to do: a mark that stays
// keeps a commit from coming.
func (s *closingSummary) result() (*bool, string) {
	differs, message := s.likeness()
	if s.paused != nil {
		message += "; take the marks away with `" + s.paused.endCommand() + "`, or Flux goes on leaving it alone"
	}
	return differs, message
}

// likeness: one target that differs decides, one that could not be told leaves it
// open.
func (s *closingSummary) likeness() (*bool, string) {
	yes, no := true, false
	switch {
	case len(s.differing) > 0:
		return &yes, "the window has closed and " + someOf(s.differing) + before(len(s.differing)) + ": revert it or commit it"
	case len(s.untold) > 0:
		return nil, "the window has closed and it could not be told whether " + someOf(s.untold) + before(len(s.untold)) + ": compare it with git"
	case s.unread > 0:
		return nil, fmt.Sprintf("the window has closed and %d of its targets were not compared: compare them with git", s.unread)
	}
	return &no, "the window has closed and what it covered is as it was before"
}

func before(n int) string {
	if n == 1 {
		return " still differs from what it was before"
	}
	return " still differ from what they were before"
}

// someOf names the first three.
func someOf(names []string) string {
	const shown = 3
	if len(names) <= shown {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:shown], ", "), len(names)-shown)
}

// endCommand is the command line that takes the marks off the target.
func (h *history) endCommand() string {
	t := h.target
	command := "kubectl gitlatch break-glass " + t.resource
	if t.group != "" {
		command += "." + t.group
	}
	command += "/" + t.name
	if t.namespace != "" && t.resource != "namespaces" {
		command += " -n " + t.namespace
	}
	return command + " --end"
}

// String names the target for people, such as "apps/Deployment prod/web".
func (h *history) String() string {
	kind := h.target.resource
	for i := range h.records {
		if r := &h.records[i].Spec.Request; r.Subresource == "" && r.Kind != "" {
			kind = r.Kind
			break
		}
	}
	if h.target.group != "" {
		kind = h.target.group + "/" + kind
	}
	if h.target.namespace != "" && h.target.resource != "namespaces" {
		return kind + " " + h.target.namespace + "/" + h.target.name
	}
	return kind + " " + h.target.name
}
