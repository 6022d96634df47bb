package registration

import (
	"context"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Tampering is a change of a webhook configuration, or of the backstop, by somebody else. Admission is
// never asked about these kinds, so who it was is known from managedFields alone:
// a name that the client chose.
type Tampering struct {
	// Kind and Name of the configuration.
	Kind, Name string
	// What differs from what should be, such as "gate.gitlatch.dev rules" or
	// "deleted".
	What string
	// Deleted says that the whole configuration was.
	Deleted bool
	// Manager and Time are the field manager that wrote last and when; "" and zero
	// where nothing is known: a deletion leaves nothing, and who only removes fields
	// owns none.
	Manager string
	Time    time.Time
	// Off is the reason on the off switch, when that is what was set.
	Off bool
}

// Tamperer is told of tampering, once for each time that it is found.
type Tamperer interface {
	Tampered(ctx context.Context, t Tampering)
}

// lastWriter finds the newest entry of somebody else's manager, one that wrote
// webhooks if there is any.
func lastWriter(o client.Object) (manager string, at time.Time) {
	var newest, wrote *metav1.ManagedFieldsEntry
	entries := o.GetManagedFields()
	for i := range entries {
		e := &entries[i]
		if e.Manager == string(fieldOwner) || e.Time == nil || e.Subresource != "" {
			continue
		}
		if newest == nil || newest.Time.Before(e.Time) {
			newest = e
		}
		if wroteContents(e) && (wrote == nil || wrote.Time.Before(e.Time)) {
			wrote = e
		}
	}
	if wrote == nil {
		wrote = newest
	}
	if wrote == nil {
		return "", time.Time{}
	}
	return wrote.Manager, wrote.Time.Time
}

// wroteContents: the entry holds some of what we keep.
func wroteContents(e *metav1.ManagedFieldsEntry) bool {
	if e.FieldsV1 == nil {
		return false
	}
	fields := e.FieldsV1.GetRawString()
	return strings.Contains(fields, `"f:webhooks"`) || strings.Contains(fields, `"f:spec"`)
}

// patience is how long to wait before restoring once more, when somebody else
// keeps on changing a configuration.
type patience struct {
	count int
	last  time.Time
}

const (
	patienceFrom  = 3                // rewrites in a row are free
	patienceMost  = 30 * time.Second // between two
	patienceReset = time.Minute      // of quiet, beyond the wait, and the count begins anew
)

// wait returns how long there is to wait; zero: restore now.
func (p *patience) wait(now time.Time) time.Duration {
	if p.count < patienceFrom {
		return 0
	}
	return max(0, p.delay()-now.Sub(p.last))
}

func (p *patience) delay() time.Duration {
	if p.count < patienceFrom {
		return 0
	}
	return min(patienceMost, time.Second<<min(p.count-patienceFrom, 10))
}

// restored counts one.
func (p *patience) restored(now time.Time) {
	if now.Sub(p.last) > patienceReset+p.delay() {
		p.count = 0
	}
	p.count++
	p.last = now
}
