package retention

import (
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitlatch/gitlatch/reporter/archive"
)

// TestHeadsInTheCluster: each sink's head under its own key, made by whoever comes first,
// and nobody else's key is touched.
func TestHeadsInTheCluster(t *testing.T) {
	r := newRig(t, Options{})
	key := client.ObjectKey{Namespace: systemNamespace, Name: archive.HeadsConfigMap}
	sinks := []string{"a", "b", "c", "d"}
	head := func(n int) archive.Head {
		return archive.Head{Seq: uint64(n) + 1, Hash: strings.Repeat("0f", 32)}
	}
	var all sync.WaitGroup
	errs := make([]error, len(sinks))
	for n, sink := range sinks {
		all.Go(func() {
			errs[n] = (&archive.Heads{Client: r.client, Namespace: systemNamespace, Sink: sink}).Save(t.Context(), head(n))
		})
	}
	all.Wait()
	for n, sink := range sinks {
		must(t, errs[n])
		got, err := (&archive.Heads{Client: r.client, Namespace: systemNamespace, Sink: sink}).Load(t.Context())
		if err != nil || got != head(n) {
			t.Errorf("the head of %s is %v, %v", sink, got, err)
		}
	}
	if got, err := (&archive.Heads{Client: r.client, Namespace: systemNamespace, Sink: "e"}).Load(t.Context()); err != nil || got != (archive.Head{}) {
		t.Errorf("the head of a chain that has not begun is %v, %v", got, err)
	}
	var held corev1.ConfigMap
	must(t, r.client.Get(t.Context(), key, &held))
	if diff := cmp.Diff(map[string]string{
		"archive-head-a": head(0).String(), "archive-head-b": head(1).String(), "archive-head-c": head(2).String(), "archive-head-d": head(3).String(),
	}, held.Data); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	held.Data["archive-head-a"] = "7"
	must(t, r.client.Update(t.Context(), &held))
	_, err := (&archive.Heads{Client: r.client, Namespace: systemNamespace, Sink: "a"}).Load(t.Context())
	want := `ConfigMap gitlatch-system/gitlatch-reporter, archive-head-a: reading the head "7": it must be a number, a colon and 64 hexadecimal digits`
	if err == nil || err.Error() != want {
		t.Errorf("Load() = %v, want %s", err, want)
	}
}
