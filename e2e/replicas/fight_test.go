package replicas

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitlatch/gitlatch/test/world"
)

const writers, targets, kills = 6, 8, 4

// battle is persons who write under Warn and under Enforce while replicas are killed, and what they were told.
type battle struct {
	failurePolicy, warned, enforced string

	mu          sync.Mutex     // guards what follows
	admitted    map[string]int // by the path of what was changed
	refused     map[string]int // by user and object: by the gate
	backstopped int            // by the API server itself, while no replica answered
}

// fight has one, and returns when it is over.
func fight(t *testing.T, failurePolicy string, random *rand.Rand) *battle {
	t.Helper()
	all(t)
	b := &battle{
		failurePolicy: failurePolicy, warned: here.NewNamespace(t, "{gate: warn}"), enforced: here.NewNamespace(t, "{}"),
		admitted: map[string]int{}, refused: map[string]int{},
	}
	for i := range targets {
		here.Declare(t, fmt.Sprintf("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: cm-%d, namespace: %s}\n---\n"+
			"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: cm-%d, namespace: %s}\n", i, b.warned, i, b.enforced))
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var load sync.WaitGroup
	for w := range writers {
		user := here.Named("writer")
		c := visitor(t, user, "devs")
		load.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				b.write(t, c, user, w, n)
			}
		})
	}
	for range kills {
		time.Sleep(time.Duration(random.IntN(700)) * time.Millisecond)
		victim := random.IntN(replicas)
		here.Gate.Kill(victim)
		time.Sleep(time.Duration(random.IntN(300)) * time.Millisecond)
		world.Must(t, here.Gate.Start(t.Context(), victim))
	}
	stop()
	load.Wait()
	t.Logf("%d admitted, %d kinds of denial, %d by the backstop", len(b.admitted), len(b.refused), b.backstopped)
	if len(b.admitted) == 0 || len(b.refused) == 0 {
		t.Fatal("there was no load")
	}
	return b
}

// write makes a change that is warned of, and one that is denied. The audit log knows each by its field manager.
func (b *battle) write(t *testing.T, c client.Client, user string, w, n int) {
	key := fmt.Sprintf("w%d-%d", w, n)
	patch := func(ns, name string) error {
		return stubborn(t.Context(), func() error {
			return c.Patch(t.Context(), configMap(ns, name), patchOf(`{"data":{%q:"v"}}`, key), client.FieldOwner(key))
		})
	}
	err := patch(b.warned, fmt.Sprintf("cm-%d", (w+n)%targets))
	if err != nil && !apierrors.IsConflict(err) {
		t.Errorf("a warned write: %v", err)
	}
	name := fmt.Sprintf("cm-%d", n%2)
	no := patch(b.enforced, name)
	b.mu.Lock()
	defer b.mu.Unlock()
	if err == nil {
		b.admitted[".data."+key] = 1
	}
	if b.failurePolicy == "Ignore" && byBackstop(no) {
		b.backstopped++
		return
	}
	denied(t, no, "a write under Enforce")
	b.refused[user+" "+name] = 1
}

// byBackstop says that the API server denied by itself.
func byBackstop(err error) bool {
	return (apierrors.IsForbidden(err) || apierrors.IsInvalid(err)) && strings.Contains(err.Error(), "ValidatingAdmissionPolicy 'gitlatch")
}
