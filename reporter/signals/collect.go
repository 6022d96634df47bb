package signals

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/policy"
	"github.com/gitlatch/gitlatch/reporter/access"
	"github.com/gitlatch/gitlatch/reporter/review"
)

// Sources are what the signals are read from.
type Sources struct {
	// Reader reads past any cache, with the rights of whoever asks. Its scheme holds
	// Gitlatch's kinds, RBAC and admissionregistration.k8s.io.
	Reader client.Reader
	// Served says what the API server serves.
	Served access.Served
	// Install is what Gitlatch consists of.
	Install policy.Installation
	// Now is the time of the report. Left out: the clock's.
	Now time.Time
	// Period is how far back attempts, commits and drift count. Left out: 30 days.
	Period time.Duration
	// Overdue is how long a record may wait. Left out: its own defaults.
	Overdue review.Overdue
}

// DefaultPeriod is what [Sources.Period] is when it is left out.
const DefaultPeriod = 30 * 24 * time.Hour

// ErrNotInstalled: the API server does not know Gitlatch's kinds.
var ErrNotInstalled = errors.New("this cluster has no Gitlatch: it knows no kinds of " + v1alpha1.Group)

// found is what was read, as far as it may be.
type found struct {
	Sources
	from time.Time

	syncs    []v1alpha1.GitSync
	policies []v1alpha1.ChangePolicy
	gate     gate
	records  *tally
	trail    *trail
	access   *access.Report

	known   map[string]bool // the parts that could be read
	missing []string
}

// Parts that can be missing, by the right that is.
const (
	listSyncs    = "list gitsyncs." + v1alpha1.Group
	listPolicies = "list changepolicies." + v1alpha1.Group
	listRecords  = "list changerecords." + v1alpha1.Group
	getWebhooks  = "get mutatingwebhookconfigurations and validatingwebhookconfigurations.admissionregistration.k8s.io"
	listRoles    = "list roles, clusterroles, rolebindings and clusterrolebindings.rbac.authorization.k8s.io"
)

// Collect reads the signals. An error means that the API server could not be asked; a
// right that is missing is in the report.
func Collect(ctx context.Context, s Sources) (*Report, error) {
	f := newFound(s)
	for _, part := range []struct {
		right string
		read  func(context.Context) error
	}{
		{listSyncs, f.readSyncs},
		{listPolicies, f.readPolicies},
		{getWebhooks, f.readGate},
		{listRecords, f.readRecords},
		{"", f.readTrail}, // names what it lacks itself
		{listRoles, f.readAccess},
	} {
		switch err := part.read(ctx); {
		case err == nil:
			f.known[part.right] = true
		case apierrors.IsForbidden(err):
			f.missing = append(f.missing, part.right)
		case meta.IsNoMatchError(err):
			return nil, ErrNotInstalled
		default:
			return nil, fmt.Errorf("collecting the signals: %w", err)
		}
	}
	return f.report(), nil
}

func newFound(s Sources) *found {
	if s.Now.IsZero() {
		s.Now = time.Now()
	}
	if s.Period == 0 {
		s.Period = DefaultPeriod
	}
	return &found{Sources: s, from: s.Now.Add(-s.Period), known: map[string]bool{}}
}

func (f *found) report() *Report {
	r := &Report{At: f.Now.UTC(), From: f.from.UTC(), Verdict: Good, Enforcement: f.enforcement(), Syncs: f.syncStates(), Windows: []Window{}}
	r.Signals = []Signal{f.matchesGit(), f.throughGit(&r.Enforcement), f.auditTrail(), f.driftCorrected(), f.revertRollback()}
	for i := range r.Signals {
		r.Verdict = worst(r.Verdict, r.Signals[i].Verdict)
		if r.Signals[i].Evidence == nil {
			r.Signals[i].Evidence = []string{}
		}
	}
	if f.known[listRecords] {
		t := f.records
		t.trim()
		r.Windows = append(r.Windows, t.windows...)
		slices.SortFunc(r.Windows, func(a, b Window) int { return a.Until.Compare(b.Until) })
		r.Unreviewed = Unreviewed{Waiting: &t.waiting, Overdue: &t.late}
		for i := range t.oldest {
			r.Unreviewed.Oldest = append(r.Unreviewed.Oldest, t.oldest[i].name)
		}
		if len(t.oldest) > 0 {
			r.Unreviewed.Since = &t.oldest[0].since
		}
	}
	slices.Sort(f.missing)
	r.Missing = slices.Compact(f.missing)
	return r
}

const pageSize = 500

func (f *found) readSyncs(ctx context.Context) error {
	next := ""
	for {
		var page v1alpha1.GitSyncList
		if err := f.Reader.List(ctx, &page, client.Limit(pageSize), client.Continue(next)); err != nil {
			return err
		}
		f.syncs = append(f.syncs, page.Items...)
		if next = page.Continue; next == "" {
			break
		}
	}
	slices.SortFunc(f.syncs, func(a, b v1alpha1.GitSync) int {
		return strings.Compare(a.Namespace+"/"+a.Name, b.Namespace+"/"+b.Name)
	})
	return nil
}

func (f *found) readPolicies(ctx context.Context) error {
	var list v1alpha1.ChangePolicyList
	err := f.Reader.List(ctx, &list)
	f.policies = list.Items
	return err
}

// readRecords counts them page by page. A list that outlives its snapshot (410 Gone)
// begins again, with nothing counted.
func (f *found) readRecords(ctx context.Context) error {
	f.records = newTally(f.Now, f.from, f.Overdue)
	next, again := "", 0
	for {
		var page v1alpha1.ChangeRecordList
		err := f.Reader.List(ctx, &page, client.Limit(pageSize), client.Continue(next))
		if apierrors.IsResourceExpired(err) && again < 3 {
			f.records, next, again = newTally(f.Now, f.from, f.Overdue), "", again+1
			continue
		}
		if err != nil {
			return err
		}
		for i := range page.Items {
			f.records.add(&page.Items[i])
		}
		if next = page.Continue; next == "" {
			return nil
		}
	}
}

func (f *found) readAccess(ctx context.Context) error {
	objects, err := access.Read(ctx, f.Reader, f.Served, f.Install)
	if err != nil {
		return err
	}
	f.access = access.Find(objects)
	return nil
}
