package webhook

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/policy"
)

// PolicyCache keeps the compiled policies. A policy is compiled when it changes,
// never for a request; the whole list is swapped at once.
type PolicyCache struct {
	// Reader lists policies from a cache that is synced once Synced says so.
	Reader client.Reader
	// Informer tells of changes.
	Informer PolicyInformer
	// Synced says whether whatever else a first answer needs has been read, such as
	// the open windows; nil: nothing else is needed.
	Synced func() bool

	once     sync.Once
	loaded   chan struct{}
	current  atomic.Pointer[[]*policy.Policy]
	compiled map[types.UID]compiledPolicy // of the loop alone
}

// PolicyInformer tells of ChangePolicies; controller-runtime's informers do.
type PolicyInformer interface {
	AddEventHandler(handler cache.ResourceEventHandler) (cache.ResourceEventHandlerRegistration, error)
}

type compiledPolicy struct {
	generation int64
	policy     *policy.Policy // the last that compiled
}

var _ PolicySource = &PolicyCache{}

func (c *PolicyCache) ready() chan struct{} {
	c.once.Do(func() { c.loaded = make(chan struct{}) })
	return c.loaded
}

// Policies returns the policies of now, ordered by name. Before they have been
// read once it waits, until ctx is done.
func (c *PolicyCache) Policies(ctx context.Context) ([]*policy.Policy, error) {
	if p := c.current.Load(); p != nil {
		return *p, nil
	}
	select {
	case <-c.ready():
		return *c.current.Load(), nil
	case <-ctx.Done():
		return nil, fmt.Errorf("waiting for the policies: %w", ctx.Err())
	}
}

// Loaded says whether the policies have been read.
func (c *PolicyCache) Loaded() bool { return c.current.Load() != nil }

// NeedLeaderElection is false: every replica judges.
func (c *PolicyCache) NeedLeaderElection() bool { return false }

// Start follows the policies until ctx is done.
func (c *PolicyCache) Start(ctx context.Context) error {
	changed := make(chan struct{}, 1)
	touch := func() {
		select {
		case changed <- struct{}{}:
		default: // a reading is due already
		}
	}
	registration, err := c.Informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(any) { touch() },
		UpdateFunc: func(any, any) { touch() },
		DeleteFunc: func(any) { touch() },
	})
	if err != nil {
		return fmt.Errorf("watching ChangePolicies: %w", err)
	}
	synced := []cache.InformerSynced{registration.HasSynced}
	if c.Synced != nil {
		synced = append(synced, c.Synced)
	}
	if !cache.WaitForCacheSync(ctx.Done(), synced...) {
		return nil // told to stop
	}
	touch()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-changed:
			if err := c.load(ctx); err != nil {
				return err
			}
		}
	}
}

// load reads and compiles. A policy that does not compile can't have come past
// admission; the last form of it that did compile stays in force, so that a
// mistake opens nothing.
func (c *PolicyCache) load(ctx context.Context) error {
	var list v1alpha1.ChangePolicyList
	if err := c.Reader.List(ctx, &list); err != nil {
		return fmt.Errorf("listing ChangePolicies: %w", err)
	}
	compiled := make(map[types.UID]compiledPolicy, len(list.Items))
	policies := make([]*policy.Policy, 0, len(list.Items))
	for i := range list.Items {
		item := &list.Items[i]
		kept, ok := c.compiled[item.UID]
		if !ok || kept.generation != item.Generation {
			kept.generation = item.Generation
			p, errs := policy.Compile(item)
			if err := errs.ToAggregate(); err != nil {
				log.FromContext(ctx).Error(err, "policy not in force", "policy", item.Name, "generation", item.Generation, "lastGoodKept", ok)
			} else {
				kept.policy = p
			}
		}
		compiled[item.UID] = kept
		if kept.policy != nil {
			policies = append(policies, kept.policy)
		}
	}
	slices.SortFunc(policies, func(a, b *policy.Policy) int { return strings.Compare(a.Name, b.Name) })
	c.compiled = compiled
	first := c.current.Swap(&policies) == nil
	if first {
		close(c.ready())
	}
	return nil
}
