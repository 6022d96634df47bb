package main

import (
	"cmp"
	"slices"

	auditv1 "k8s.io/apiserver/pkg/apis/audit/v1"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/policy"
	"github.com/gitlatch/gitlatch/reporter/audit"
)

// totals count what was read and how it was judged. Attempts are more than
// events where a deletecollection deleted several objects.
type totals struct {
	Events     int  `json:"events"`
	NotWrites  int  `json:"notWrites"`
	Failed     int  `json:"failed"`
	Refused    int  `json:"refusedByAdmission"`
	Malformed  int  `json:"malformedLines"`
	Truncated  bool `json:"truncated,omitempty"`
	Ungoverned int  `json:"ungoverned"`
	Governed   int  `json:"governed"`
	Allowed    int  `json:"allowed"`
	Flagged    int  `json:"flagged"`
	Denied     int  `json:"denied"`
	// Unsure: denied or flagged, unless what the log does not show would say otherwise.
	UnsureDenied  int `json:"unsureDenied"`
	UnsureFlagged int `json:"unsureFlagged"`
}

// row is what one requester did to one kind in one namespace.
type row struct {
	Requester     string          `json:"requester"`
	Impersonator  string          `json:"impersonator,omitempty"`
	Kind          string          `json:"kind"`
	Namespace     string          `json:"namespace,omitempty"`
	Denied        int             `json:"denied"`
	UnsureDenied  int             `json:"unsureDenied"`
	Flagged       int             `json:"flagged"`
	UnsureFlagged int             `json:"unsureFlagged"`
	Reason        v1alpha1.Reason `json:"reason"`
	Example       example         `json:"example"`

	resource string
	severity int
}

// example is the first of the gravest attempts of a row.
type example struct {
	Line    int    `json:"line"`
	Verb    string `json:"verb"`
	Target  string `json:"target"`
	Policy  string `json:"policy,omitempty"`
	Message string `json:"message"`
}

// maxRows bounds the table: past it, requesters fold into one.
const maxRows = 20_000

const others = "(others)"

type rowKey struct{ requester, impersonator, resource, namespace string }

// tally sums up rulings in bounded memory.
type tally struct {
	policies []string
	totals   totals
	rows     map[rowKey]*row
	hints    hints
}

// hints are what the advice at the end is made of.
type hints struct {
	metadata, request, other, managedFields, facts, assumed, impersonated int
}

func newTally(policies []string) *tally {
	return &tally{policies: policies, rows: map[rowKey]*row{}}
}

func (t *tally) event() { t.totals.Events++ }

func (t *tally) skip(reason audit.Skip) {
	switch reason {
	case audit.SkipStage, audit.SkipRead, audit.SkipNothing:
		t.totals.NotWrites++
	case audit.SkipRefused:
		t.totals.Refused++
	case audit.SkipFailed:
		t.totals.Failed++
	}
}

func (t *tally) add(a *audit.Attempt, r ruling) {
	if r.Class == v1alpha1.ClassUngoverned {
		t.totals.Ungoverned++
		return
	}
	t.totals.Governed++
	if a.Impersonator != "" {
		t.hints.impersonated++
	}
	if r.assumed && r.Action != policy.Allow {
		t.hints.assumed++
	}
	if r.Action == policy.Allow {
		t.totals.Allowed++
		return
	}
	row := t.row(a)
	severity := 0
	switch {
	case r.Action == policy.Deny && r.sure:
		severity = 4
		row.Denied++
		t.totals.Denied++
	case r.Action == policy.Deny:
		severity = 3
		row.UnsureDenied++
		t.totals.UnsureDenied++
	case r.sure:
		severity = 2
		row.Flagged++
		t.totals.Flagged++
	default:
		severity = 1
		row.UnsureFlagged++
		t.totals.UnsureFlagged++
	}
	if !r.sure {
		t.hint(a)
	}
	if severity > row.severity {
		row.severity, row.Reason = severity, r.Reason
		row.Example = example{Line: a.Line, Verb: a.Verb, Target: a.Request.Target(), Policy: r.Policy, Message: r.Message}
	}
}

// hint notes why a ruling is not sure.
func (t *tally) hint(a *audit.Attempt) {
	switch {
	case len(a.Gaps) == 0:
		t.hints.facts++
	case slices.Contains(a.Gaps, audit.GapManagedFields):
		t.hints.managedFields++
	case a.Level == auditv1.LevelMetadata:
		t.hints.metadata++
	case a.Level == auditv1.LevelRequest:
		t.hints.request++
	default:
		t.hints.other++
	}
}

func (t *tally) row(a *audit.Attempt) *row {
	request := &a.Request
	resource := request.Resource.Resource
	if request.Subresource != "" {
		resource += "/" + request.Subresource
	}
	if request.Resource.Group != "" {
		resource = request.Resource.Group + "/" + resource
	}
	key := rowKey{request.User.Name, a.Impersonator, resource, request.Namespace}
	if t.rows[key] == nil && len(t.rows) >= maxRows {
		key = rowKey{requester: others}
	}
	found := t.rows[key]
	if found == nil {
		found = &row{
			Requester: key.requester, Impersonator: key.impersonator,
			Kind: key.resource, Namespace: key.namespace, resource: key.resource,
		}
		t.rows[key] = found
	}
	if request.Subresource == "" && request.Kind.Kind != "" && key.requester != others {
		found.Kind = request.Kind.Kind
		if request.Resource.Group != "" {
			found.Kind = request.Resource.Group + "/" + found.Kind
		}
	}
	return found
}

// sorted returns the rows, those with most denials first.
func (t *tally) sorted() []row {
	rows := make([]row, 0, len(t.rows))
	for _, r := range t.rows {
		rows = append(rows, *r)
	}
	sortRows(rows)
	return rows
}

func sortRows(rows []row) {
	slices.SortFunc(rows, func(a, b row) int {
		return cmp.Or(
			cmp.Compare(b.Denied, a.Denied),
			cmp.Compare(b.UnsureDenied, a.UnsureDenied),
			cmp.Compare(b.Flagged+b.UnsureFlagged, a.Flagged+a.UnsureFlagged),
			cmp.Compare(a.Requester, b.Requester),
			cmp.Compare(a.Impersonator, b.Impersonator),
			cmp.Compare(a.resource, b.resource),
			cmp.Compare(a.Namespace, b.Namespace),
		)
	})
}

// merged sums rows over their namespaces.
func merged(rows []row) []row {
	var sums []row
	places := map[rowKey]int{}
	for _, r := range rows {
		key := rowKey{r.Requester, r.Impersonator, r.resource, ""}
		place, known := places[key]
		if !known {
			places[key] = len(sums)
			sums = append(sums, r)
			continue
		}
		sum := &sums[place]
		sum.Denied += r.Denied
		sum.UnsureDenied += r.UnsureDenied
		sum.Flagged += r.Flagged
		sum.UnsureFlagged += r.UnsureFlagged
		if r.Kind != r.resource {
			sum.Kind = r.Kind
		}
		if r.severity > sum.severity || r.severity == sum.severity && r.Example.Line < sum.Example.Line {
			sum.severity, sum.Reason, sum.Example = r.severity, r.Reason, r.Example
		}
	}
	sortRows(sums)
	return sums
}
