package e2e

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/test/gitlatch"
)

// Ten thousand denials to distinct names within a minute or so: each is denied,
// none is lost, every requester is kept, and the records stay few.
func TestAFloodOfDenials(t *testing.T) {
	t.Parallel()
	const each, workers = 2000, 4
	there, _ := ownCluster(t, gitlatch.Options{Replicas: 2, Service: true})
	requesters := []string{"alice", "bob", "carol", "oncall", "frank"}
	frank, err := there.Certificate("frank", "devs")
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	var flood sync.WaitGroup
	for _, name := range requesters {
		config := frank
		if name != "frank" {
			config = there.Config(name)
		}
		c := here.ClientOf(t, config)
		for worker := range workers {
			flood.Go(func() { denyMany(t, c, name, worker*each/workers, (worker+1)*each/workers) })
		}
	}
	flood.Wait()
	took := time.Since(began)
	if took > 5*time.Minute {
		t.Errorf("the flood took %s", took)
	}
	admin := here.ClientOf(t, there.Config("admin"))
	want := map[string]int64{}
	for _, name := range requesters {
		want[name] = each
	}
	number := 0
	eventually(t, "the counts of the flood", func(ctx context.Context) error {
		list := &v1alpha1.ChangeRecordList{}
		if err := admin.List(ctx, list); err != nil {
			return err
		}
		got := map[string]int64{}
		number = 0
		for _, r := range list.Items {
			if r.Spec.Outcome == v1alpha1.OutcomeDenied && r.Spec.Request.Resource == "configmaps" {
				number++
				got[r.Spec.Requester.Username] += r.Status.Count
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			return fmt.Errorf("denials by requester (-want +got):\n%s", diff)
		}
		return nil
	})
	t.Logf("%d denials in %s (%.0f a second) left %d records", each*len(requesters), took.Round(time.Second),
		float64(each*len(requesters))/took.Seconds(), number)
	// Thirty targets and a fold for each requester and minute on each replica.
	if most := len(requesters) * 2 * 31 * (int(took.Minutes()) + 2); number > most {
		t.Errorf("%d records, more than %d", number, most)
	}
}

func denyMany(t *testing.T, c client.Client, who string, from, to int) {
	for i := from; i < to; i++ {
		err := c.Create(t.Context(), configMap("default", fmt.Sprintf("%s-%d", who, i)))
		if !isDenial(err, v1alpha1.ReasonOutOfBand) {
			t.Errorf("%s-%d: want a denial, got %v", who, i, err)
			return
		}
	}
}
