package applier

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/applier/live"
)

func TestAFightIsBackedOffAndOthersAreNot(t *testing.T) {
	at := clocktesting.NewFakeClock(time.Now())
	b := newBench(t, newSpace(t), at)
	b.run(commitOne, greetings)
	web, api := b.object("ConfigMap", "web"), b.object("ConfigMap", "api")
	meddle := func(n int) {
		t.Helper()
		kubectl(t, "alice", "", "patch", "configmap", "web", "-n", b.space, "-p", fmt.Sprintf(`{"data":{"greeting":"hello %d"}}`, n))
	}
	for i := range fightCount {
		meddle(i)
		b.fields(web, "welcome", "data", "greeting")
	}
	b.recordsOf(fightCount, resolved(drifts))
	meddle(5)
	eventually(t, "the fight is reported", 5*time.Second, func() error {
		if got := b.fights(); len(got) != 1 {
			return fmt.Errorf("%v", got)
		}
		return nil
	})
	b.fields(web, "hello 5", "data", "greeting")

	kubectl(t, "alice", "", "patch", "configmap", "api", "-n", b.space, "-p", `{"data":{"timeout":"1s"}}`)
	b.fields(api, "30s", "data", "timeout")
	b.calls.take()
	meddle(6)
	time.Sleep(500 * time.Millisecond)
	if made := b.calls.take(); len(made) > 1 {
		t.Errorf("it is looked at over and over: %v", made)
	}

	for n, pause := range []time.Duration{fightFirst, 2 * fightFirst, 4 * fightFirst} {
		at.Step(pause - time.Millisecond)
		time.Sleep(200 * time.Millisecond)
		b.fields(web, fmt.Sprintf("hello %d", 6+n), "data", "greeting")
		b.step(at, time.Millisecond)
		b.fields(web, "welcome", "data", "greeting")
		meddle(7 + n)
		time.Sleep(300 * time.Millisecond)
	}
	fought := func(r *v1alpha1.ChangeRecord) bool { return r.Spec.Reason == v1alpha1.ReasonFight }
	if got := b.recordsOf(1, resolved(fought))[0].Status.Count; got != 3 {
		t.Errorf("the record counts %d corrections, want 3", got)
	}
	if diff := cmp.Diff([]live.Key{web.Key}, b.fought); diff != "" {
		t.Errorf("told (-want +got):\n%s", diff)
	}

	b.step(at, fightMost)
	b.fields(web, "welcome", "data", "greeting")
	b.step(at, 20*fightMost)
	meddle(10)
	b.fields(web, "welcome", "data", "greeting")
	eventually(t, "the fight is over", 5*time.Second, func() error {
		if got := b.fights(); got != nil {
			return errors.New("it goes on")
		}
		return nil
	})
}

// step moves the clock once those who wait for it do.
func (b *bench) step(at *clocktesting.FakeClock, by time.Duration) {
	time.Sleep(100 * time.Millisecond)
	at.Step(by)
	time.Sleep(100 * time.Millisecond)
	at.Step(0)
}
