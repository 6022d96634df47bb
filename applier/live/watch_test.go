package live

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/rest"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/test/cluster"
)

// heard collects events.
type heard struct {
	mu     sync.Mutex
	events []string
	lists  int
}

func (h *heard) on(e Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	what := "is"
	if e.Gone {
		what = "gone"
	}
	h.events = append(h.events, e.Ref.Name+" "+what)
}

func (h *heard) listed() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.lists++
}

func (h *heard) all() ([]string, int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.events), h.lists
}

func TestAWatchTellsOfEveryChange(t *testing.T) {
	c, _ := newCluster(t)
	space := newSpace(t)
	o := prepare(t, c, space, configMap)
	apply(t, c, o, nil)
	var h heard
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- c.Watch(ctx, Watched{GVK: o.GVK(), Namespace: space, Selector: v1alpha1.LabelSync + "=" + mark, Listed: h.listed}, h.on)
	}()
	expect := func(want ...string) {
		t.Helper()
		eventually(t, fmt.Sprint(want), 5*time.Second, func() bool { got, _ := h.all(); return cmp.Equal(want, got) })
	}
	expect("settings is")
	if _, lists := h.all(); lists > 1 {
		t.Errorf("%d lists", lists)
	}
	kubectl(t, "", "-n", space, "annotate", "configmap", "settings", "a=b")
	expect("settings is", "settings is")
	kubectl(t, "", "-n", space, "label", "configmap", "settings", v1alpha1.LabelSync+"-") // looks like a deletion
	expect("settings is", "settings is", "settings gone")
	if s, err := c.Look(t.Context(), o.Ref); err != nil || s.UID == "" {
		t.Errorf("looked: %+v, %v", s, err)
	}
	apply(t, c, o, nil)
	eventually(t, "it is back", 5*time.Second, func() bool { got, _ := h.all(); return len(got) > 3 && got[3] == "settings is" })
	kubectl(t, "", "-n", space, "delete", "configmap", "settings")
	eventually(t, "it is gone", 5*time.Second, func() bool { got, _ := h.all(); return got[len(got)-1] == "settings gone" })
	cancel()
	must(t, <-done)
}

func TestAWatchOutlivesTheAPIServer(t *testing.T) {
	c, _ := newCluster(t)
	space := newSpace(t)
	o := prepare(t, c, space, configMap)
	apply(t, c, o, nil)
	var h heard
	go func() {
		_ = c.Watch(t.Context(), Watched{GVK: o.GVK(), Namespace: space, Selector: v1alpha1.LabelSync + "=" + mark, Listed: h.listed}, h.on)
	}()
	eventually(t, "listed", 5*time.Second, func() bool { _, n := h.all(); return n == 1 })
	must(t, shared.RestartServer(t.Context(), cluster.APIServer))
	eventually(t, "the API server is back", 30*time.Second, func() bool {
		_, err := c.Delete(t.Context(), o.Ref, mark)
		return err == nil
	})
	eventually(t, "its deletion is told", 40*time.Second, func() bool { got, _ := h.all(); return got[len(got)-1] == "settings gone" })
}

func TestAWatchThatIsForbiddenEnds(t *testing.T) {
	adminConfig(t)
	config := rest.CopyConfig(shared.Config("admin"))
	config.Impersonate = rest.ImpersonationConfig{UserName: "mallory"}
	c, err := New(config)
	must(t, err)
	err = c.Watch(t.Context(), Watched{GVK: Ref{Key: Key{Kind: "ConfigMap"}, Version: "v1"}.GVK()}, func(Event) {})
	if !apierrors.IsForbidden(err) {
		t.Errorf("got %v", err)
	}
	err = c.Watch(t.Context(), Watched{GVK: Ref{Key: Key{Group: "example.com", Kind: "Nothing"}, Version: "v1"}.GVK()}, func(Event) {})
	if !unserved(err) {
		t.Errorf("got %v", err)
	}
}
