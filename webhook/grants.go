package webhook

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"

	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/policy"
	"github.com/gitlatch/gitlatch/reporter/record"
)

// Grants knows the break-glass windows: those that are open, what they cover,
// who may have one, and the marks that they leave on objects. Whether a request
// opens, uses or closes one is for package policy to say.
//
// The ChangeRecord is the authority for a window. Grants holds a copy from the
// watch, so a restart finds what was open; a stamp on an object opens nothing.
type Grants struct {
	// Client writes the end of a window to its record.
	Client client.Client
	// Live reads records from the API server, past any cache.
	Live client.Reader
	// Reviews asks the API server whether somebody may break glass.
	Reviews AccessReviewer
	// Clock says when a window is over.
	Clock clock.PassiveClock

	index   windowIndex
	synced  atomic.Pointer[[]func() bool]
	metrics grantMetrics
}

// Windows returns the windows that this replica knows of and that matter to the
// request: the requester's that cover its target or its namespace, and those that
// anybody opened on the target itself, since they end with its annotation.
func (g *Grants) Windows(req *policy.Request) []policy.Window {
	now := g.Clock.Now()
	out := append(g.index.about(req.User.Name, requestTarget(req), now), g.index.closedBy(req, now)...)
	if place, _, ok := ownBirth(req); ok {
		for _, w := range g.index.on(place, now) {
			if w, ok := born(w, req); ok {
				out = append(out, w)
			}
		}
	}
	return out
}

// LiveWindows returns the requester's windows over the target as the API server
// has them now, and what [Grants.Windows] knows of other people's. Another
// replica may have opened one which the watch has not told of yet.
func (g *Grants) LiveWindows(ctx context.Context, req *policy.Request) ([]policy.Window, error) {
	var records v1alpha1.ChangeRecordList
	err := g.Live.List(ctx, &records, client.MatchingLabels{
		v1alpha1.LabelWindow: record.WindowOpen,
		v1alpha1.LabelUser:   record.UserHash(req.User.Name),
	})
	if err != nil {
		return nil, fmt.Errorf("listing the open windows of %s: %w", req.User.Name, err)
	}
	now, target := g.Clock.Now(), requestTarget(req)
	out := slices.DeleteFunc(g.Windows(req), func(w policy.Window) bool { return w.User == req.User.Name })
	for i := range records.Items {
		w, ok := windowOf(&records.Items[i])
		// The label is a hash: the name itself decides.
		if !ok || w.User != req.User.Name || !g.usable(req, &w, &records.Items[i], now) {
			continue
		}
		if covers(&w, target) {
			out = append(out, w)
		} else if w, ok := born(w, req); ok {
			out = append(out, w)
		}
	}
	return out, nil
}

// Guarded returns the paths of the target that unresolved records guard.
func (g *Grants) Guarded(req *policy.Request) []string {
	return g.index.paths(requestTarget(req))
}

// Opened remembers a window on this replica at once, before the watch tells. rec
// is the record as it is stored, which a repeat of the request finds written
// already: its end is the window's end, whatever the decision said.
func (g *Grants) Opened(rec *v1alpha1.ChangeRecord, _ policy.Window) {
	if g.index.putWindow(rec) {
		g.metrics.countOpened(rec.Spec.Policy)
	}
}
