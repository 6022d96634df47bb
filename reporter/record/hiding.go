package record

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

const (
	// policiesFor is how long the policies that were read are gone by.
	policiesFor = 5 * time.Second
	// policiesTimeout bounds the reading: a correction waits for it.
	policiesTimeout = 500 * time.Millisecond
	// policiesRetry is how soon it is tried again.
	policiesRetry = time.Second
)

// hiding is what records must not show: fields of these names, or, where the policies
// could not be read, any value.
type hiding struct {
	names []string
	all   bool
}

func (h hiding) hide(e *Entry) {
	e.Redact = h.names
	if !h.all {
		return
	}
	e.Changes = slices.Clone(e.Changes)
	for i := range e.Changes {
		c := &e.Changes[i]
		c.From, c.To = hide(c.From, c.To, c.HasFrom && c.HasTo)
	}
}

// policies remembers what the policies last said.
type policies struct {
	mu   sync.Mutex
	said hiding
	next time.Time // when they are read again
}

// hiding is what all policies together list under spec.redact: which of them govern an
// object is the gate's to judge, and to show less does no harm.
func (k *Keeper) hiding(ctx context.Context) hiding {
	p := &k.policies
	p.mu.Lock()
	defer p.mu.Unlock()
	if k.Clock.Now().Before(p.next) {
		return p.said
	}
	limited, cancel := context.WithTimeout(ctx, policiesTimeout)
	defer cancel()
	var list v1alpha1.ChangePolicyList
	if err := k.Store.List(limited, &list); err != nil {
		p.said, p.next = hiding{all: true}, k.Clock.Now().Add(policiesRetry)
		return p.said
	}
	var names []string
	for i := range list.Items {
		names = append(names, list.Items[i].Spec.Redact...)
	}
	slices.Sort(names)
	p.said, p.next = hiding{names: slices.Compact(names)}, k.Clock.Now().Add(policiesFor)
	return p.said
}
