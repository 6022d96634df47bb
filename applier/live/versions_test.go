package live

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/rest"
)

// kindOf are the definition of a kind of one test alone, with two versions, and a
// client of its own that has used the first.
func kindOf(t *testing.T, plural, kind string) (c *Cluster, old *Object, upgrade func()) {
	t.Helper()
	c, _ = newCluster(t)
	rename := strings.NewReplacer("live.example.com", plural+".example.com", "shops", plural, "Shop", kind, "singular: shop", "singular: "+strings.ToLower(kind))
	text := rename.Replace(definitionText)
	before, versions, _ := strings.Cut(text, "  versions:\n")
	oldest := strings.Replace(versions, "name: v1\n", "name: v1alpha1\n", 1)
	kubectl(t, before+"  versions:\n"+oldest, "apply", "-f", "-")
	kubectl(t, "", "wait", "--for=condition=Established", "--timeout=20s", "crd/"+plural+"."+plural+".example.com")
	object := "{apiVersion: " + plural + ".example.com/v1alpha1, kind: " + kind + ", metadata: {name: corner}, spec: {size: a}}"
	eventually(t, "it is served", 20*time.Second, func() bool { _, err := c.mapping(declare(t, object).GroupVersionKind()); return err == nil })
	old = prepare(t, c, "", object)
	apply(t, c, old, nil)
	return c, old, func() {
		t.Helper()
		gone := strings.NewReplacer("served: true", "served: false", "storage: true", "storage: false").Replace(oldest)
		kubectl(t, before+"  versions:\n"+versions+gone, "apply", "-f", "-")
		eventually(t, "the old version is not served", 20*time.Second, func() bool {
			_, stderr, code := shared.Kubectl(context.Background(), "admin", "", "get", "--raw", "/apis/"+plural+".example.com/v1alpha1/"+plural)
			_, _, served := shared.Kubectl(context.Background(), "admin", "", "get", "--raw", "/apis/"+plural+".example.com/v1/"+plural)
			return code != 0 && strings.Contains(stderr, "could not find") && served == 0
		})
	}
}

// TestAnObjectWhoseVersionIsServedNoMore is there all the same, whether or not the
// client has seen the old version.
func TestAnObjectWhoseVersionIsServedNoMore(t *testing.T) {
	c, o, upgrade := kindOf(t, "stalls", "Stall")
	upgrade()
	fresh, _ := newCluster(t)
	for name, c := range map[string]*Cluster{"to whom it was": c, "who never saw it": fresh} {
		if found, err := c.Get(t.Context(), o.Ref); err != nil || found.GetAPIVersion() != "stalls.example.com/v1" {
			t.Errorf("one %s: %v, %v", name, found, err)
		}
		if state, err := c.Look(t.Context(), o.Ref); err != nil || state.UID == "" {
			t.Errorf("one %s: %+v, %v", name, state, err)
		}
	}
	if got, err := c.Delete(t.Context(), o.Ref, mark); err != nil || got != Deleted {
		t.Errorf("deleting: %s, %v", got, err)
	}
	if left := kubectl(t, "", "get", "stalls.stalls.example.com", "-o", "name"); left != "" {
		t.Errorf("left behind: %s", left)
	}
	if _, err := c.Get(t.Context(), o.Ref); !apierrors.IsNotFound(err) {
		t.Errorf("getting it: %v", err)
	}
	if got, err := c.Delete(t.Context(), o.Ref, mark); err != nil || got != Gone {
		t.Errorf("again: %s, %v", got, err)
	}
}

// TestAKindThatIsNewInAVersion that the client does not know of yet.
func TestAKindThatIsNewInAVersion(t *testing.T) {
	c, o, upgrade := kindOf(t, "booths", "Booth")
	other := o.Ref
	other.Version = "v1beta1" // of which neither ever heard
	if state, err := c.Look(t.Context(), other); err != nil || state.UID == "" {
		t.Errorf("in a version that never was: %+v, %v", state, err)
	}
	upgrade()
	if got, err := c.Delete(t.Context(), other, mark); err != nil || got != Deleted {
		t.Errorf("deleting: %s, %v", got, err)
	}
}

// TestA404OfTheWayIsNoAnswer: a proxy, or an API server that has yet to learn of the
// kind, says nothing of the object.
func TestA404OfTheWayIsNoAnswer(t *testing.T) {
	adminConfig(t)
	space := newSpace(t)
	var lost atomic.Bool
	config := adminConfig(t)
	config.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return roundTripper(func(r *http.Request) (*http.Response, error) {
			if lost.Load() && strings.HasSuffix(r.URL.Path, "/configmaps/settings") {
				w := httptest.NewRecorder()
				http.NotFound(w, r)
				return w.Result(), nil
			}
			return next.RoundTrip(r)
		})
	})
	c, err := New(rest.CopyConfig(config))
	must(t, err)
	o := prepare(t, c, space, configMap)
	apply(t, c, o, nil)
	lost.Store(true)
	if got, err := c.Delete(t.Context(), o.Ref, mark); err == nil || got != "" {
		t.Errorf("deleting: %s, %v", got, err)
	}
	if _, err := c.Get(t.Context(), o.Ref); err == nil || apierrors.IsNotFound(err) {
		t.Errorf("getting: %v", err)
	}
	lost.Store(false)
	if got, err := c.Delete(t.Context(), o.Ref, mark); err != nil || got != Deleted {
		t.Errorf("deleting: %s, %v", got, err)
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
