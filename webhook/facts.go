package webhook

import (
	"context"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/policy"
)

// PolicySource hands out the compiled policies. It waits while they have not
// been read yet, and returns an error when that takes longer than ctx.
type PolicySource interface {
	Policies(ctx context.Context) ([]*policy.Policy, error)
}

// Lookups are the facts about other objects that a decision may need. An error
// leaves the fact unknown, and the unknown never allows.
type Lookups interface {
	// NamespaceLabels are the labels of a namespace, never nil without an error.
	NamespaceLabels(ctx context.Context, name string) (map[string]string, error)
	// Pod is what the API server says of a pod now.
	Pod(ctx context.Context, namespace, name string) (*policy.PodFact, error)
	// Parent is {"metadata": ...} of the object behind a subresource.
	Parent(ctx context.Context, req *policy.Request) (map[string]any, error)
}

// grants is what break-glass asks of the windows and gives to them.
type grants interface {
	// Windows are the open windows that the watch knows of.
	Windows(req *policy.Request) []policy.Window
	// LiveWindows reads them from the API server.
	LiveWindows(ctx context.Context, req *policy.Request) ([]policy.Window, error)
	// Guarded are the paths of the target's unresolved records.
	Guarded(req *policy.Request) []string
	// Authorize asks the API server for the verb "breakglass" on the target.
	Authorize(ctx context.Context, req *policy.Request) policy.Authorization
	// Opened remembers a window at once, before the watch shows it.
	Opened(rec *v1alpha1.ChangeRecord, w policy.Window)
	// Close ends windows whose annotation was removed.
	Close(ctx context.Context, ws []policy.Window, reason v1alpha1.WindowEndReason) error
	// Refused counts a denial whose reason speaks of break-glass.
	Refused(reason v1alpha1.Reason)
	// Stamps is the patch of the mutating answer; nil where there is nothing to
	// stamp. It is asked after Opened.
	Stamps(req *policy.Request, d *policy.Decision, record string) []PatchOp
	// CheckStamps says, in the validating call, what another webhook did to them.
	CheckStamps(req *policy.Request, d *policy.Decision) error
}

// judge asks the judge until it misses nothing more, or until what it misses
// can't be had: each fact is looked up once, whatever gap showed it.
func (h *Handler) judge(ctx context.Context, c *call) policy.Decision {
	ctx, cancel := context.WithDeadline(ctx, c.start.Add(factsBy))
	defer cancel()
	c.facts = policy.Facts{
		Now:     c.now,
		Install: h.Install,
		Windows: h.Grants.Windows(c.req),
		Guarded: h.Grants.Guarded(c.req),
	}
	if c.before != nil {
		c.facts.BreakGlass, c.facts.Pod = c.before.breakGlass, c.before.pod
	}
	var asked policy.Need
	for {
		d := policy.Decide(c.req, c.policies, &c.facts)
		missing := (d.Missing | unsure(&d, &c.facts)) &^ asked
		if missing == 0 {
			return d
		}
		asked |= missing
		h.lookUp(ctx, c, missing)
	}
}

// unsure is the need to read a window live that is about to admit a request: it may
// have been ended on another replica a moment ago, which the watch has not told of
// yet. Where it can't be read, see [unread].
func unsure(d *policy.Decision, f *policy.Facts) policy.Need {
	if d.Within == nil || f.WindowsLive {
		return 0
	}
	return policy.NeedWindows
}

// unread is an error where the answer hangs on windows that could not be read: nobody
// is admitted by one that may have ended, and nobody called a forger for marks that
// another replica may have given the object in the mutating call. Either is no more
// than undecided, and to be tried again: the record that has to be written before a
// write is admitted goes the way that the windows could not come.
func unread(d *policy.Decision, f *policy.Facts) error {
	accused := d.Reason == v1alpha1.ReasonForged && d.Missing&policy.NeedWindows != 0
	if accused || unsure(d, f) != 0 {
		return errWindows
	}
	return nil
}

// lookUp fills in the facts that are missing. What can't be looked up stays
// unknown, with a line in the log.
func (h *Handler) lookUp(ctx context.Context, c *call, missing policy.Need) {
	f, req := &c.facts, c.req
	for _, look := range []struct {
		need policy.Need
		what string
		up   func() error
	}{
		{policy.NeedNamespaceLabels, "namespace", func() (err error) {
			f.NamespaceLabels, err = h.Lookups.NamespaceLabels(ctx, req.Namespace)
			return err
		}},
		{policy.NeedPod, "pod", func() (err error) {
			f.Pod, err = h.Lookups.Pod(ctx, req.Namespace, req.Name)
			return err
		}},
		{policy.NeedParent, "parent", func() (err error) {
			f.Parent, err = h.Lookups.Parent(ctx, req)
			return err
		}},
		{policy.NeedBreakGlass, "authorization", func() error {
			f.BreakGlass = h.Grants.Authorize(ctx, req)
			return nil
		}},
		{policy.NeedWindows, "windows", func() error {
			ws, err := h.Grants.LiveWindows(ctx, req)
			if err == nil {
				f.Windows, f.WindowsLive = ws, true
			}
			return err
		}},
	} {
		if missing&look.need == 0 {
			continue
		}
		if err := look.up(); err != nil {
			log.FromContext(ctx).Info("fact not found", "fact", look.what, "reason", err.Error(),
				"after", time.Since(c.start).String())
		}
	}
}
