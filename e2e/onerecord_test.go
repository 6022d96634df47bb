package e2e

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/test/world"
)

// One attempt leaves one record: sixty concurrent patches of one object, each of
// which the API server admits again on every conflict, on either replica and in
// both phases.
func TestOneRecordThroughConflicts(t *testing.T) {
	const patches = 60
	ns := newNamespace(t, "audit")
	declareShop(t, ns)
	olga := newVisitor(t, "olga", "devs")
	var stored, conflicts int
	var mu sync.Mutex
	var running sync.WaitGroup
	for i := range patches {
		running.Go(func() {
			err := olga.Patch(t.Context(), configMap(ns, "settings"), patchOf(fmt.Sprintf(`{"data":{"key-%02d":"v"}}`, i)))
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				stored++
			case apierrors.IsConflict(err):
				conflicts++ // after five rounds the API server gives up
			default:
				t.Errorf("patch %d: %v", i, err)
			}
		})
	}
	running.Wait()
	got, want := map[string]int{}, map[string]int{}
	for _, r := range here.Records(t, world.InNamespace(ns)) {
		for _, c := range r.Spec.Changes {
			got[c.Path]++
		}
	}
	for i := range patches {
		want[fmt.Sprintf(".data.key-%02d", i)] = 1
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("records by what they record (-want +got):\n%s", diff)
	}
	t.Logf("%d patches stored, %d given up by the API server, %d records", stored, conflicts, len(got))
	eventually(t, "counts", func(context.Context) error {
		for _, r := range here.Records(t, world.InNamespace(ns)) {
			if r.Status.Count != 1 {
				return fmt.Errorf("record %s counts %d: %+v", r.Name, r.Status.Count, r.Status.Counts)
			}
		}
		return nil
	})
}

// Each kind of write leaves exactly one record, though two webhooks see it.
func TestOneRecordForEachKindOfWrite(t *testing.T) {
	for _, c := range []struct {
		what, args, operation, resource, name string
	}{
		{"create", "create configmap mine", "CREATE", "configmaps/", "mine"},
		{"update", "label configmap settings a=b", "UPDATE", "configmaps/", "settings"},
		{"apply", "apply --server-side --force-conflicts -f -", "UPDATE", "configmaps/", "settings"},
		{"delete", "delete configmap settings", "DELETE", "configmaps/", "settings"},
		{"scale", "scale deployment web --replicas=3", "UPDATE", "deployments/scale", "web"},
		{"restart", "rollout restart deployment web", "UPDATE", "deployments/", "web"},
		{"exec", "exec POD -c web -- sh", "CONNECT", "pods/exec", "POD"},
	} {
		t.Run(c.what, func(t *testing.T) {
			ns := newNamespace(t, "audit")
			declareShop(t, ns)
			pod := podOf(t, ns)
			stdin := fmt.Sprintf("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings, namespace: %s}\ndata: {color: red}\n", ns)
			args := strings.Fields(strings.ReplaceAll(c.args, "POD", pod))
			here.KubectlIn(t, "alice", stdin, append([]string{"-n", ns}, args...)...)
			rec := one(t, c.what, world.InNamespace(ns))
			q := rec.Spec.Request
			got := []string{string(rec.Spec.Outcome), q.Operation, q.Resource + "/" + q.Subresource, q.Name}
			want := []string{"Flagged", c.operation, c.resource, strings.ReplaceAll(c.name, "POD", pod)}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("record (-want +got):\n%s", diff)
			}
		})
	}
}

// A denial is one record, and the same again raises its count.
func TestOneRecordForRepeatedDenials(t *testing.T) {
	ns := newNamespace(t, "")
	declareShop(t, ns)
	nina := newVisitor(t, "nina", "devs")
	// Repeats within the same five minutes by the clock: those that begin at their
	// end may need two records, which then count together.
	const times = 7
	for range times {
		deniedFor(t, nina.Delete(t.Context(), configMap(ns, "settings")), v1alpha1.ReasonOutOfBand)
	}
	eventually(t, "the count", func(context.Context) error {
		found, count := here.Records(t, world.InNamespace(ns)), int64(0)
		for _, r := range found {
			count += r.Status.Count
		}
		if len(found) > 2 || count != times {
			return fmt.Errorf("%d records count %d: %s", len(found), count, summary(found))
		}
		return nil
	})
}

// A generated name is completed once it is known; two objects of one prefix are
// two attempts.
func TestOneRecordForAGeneratedName(t *testing.T) {
	ns := newNamespace(t, "audit")
	gina := newVisitor(t, "gina", "devs")
	want := map[string]bool{}
	for range 3 {
		cm := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: ns, GenerateName: "job-"}}
		if err := gina.Create(t.Context(), cm); err != nil {
			t.Fatal(err)
		}
		want[cm.Name] = true
	}
	eventually(t, "the names", func(context.Context) error {
		got := map[string]bool{}
		found := here.Records(t, world.InNamespace(ns))
		for _, r := range found {
			if r.Spec.Request.Name != "job-*" {
				t.Fatalf("the record names %q", r.Spec.Request.Name)
			}
			got[r.Status.Name] = true
		}
		if diff := cmp.Diff(want, got); diff != "" || len(found) != len(want) {
			return fmt.Errorf("names of %d records (-want +got):\n%s", len(found), diff)
		}
		return nil
	})
}
