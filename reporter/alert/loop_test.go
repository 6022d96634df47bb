package alert

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// running is a loop with its own namespace and file of receivers.
type running struct {
	*Loop
	clock     *clocktesting.FakeClock
	namespace string
	stop      context.CancelFunc
	ended     chan error
}

func newNamespace(t *testing.T, c client.Client, namespace string) {
	t.Helper()
	must(t, c.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}))
}

func run(t *testing.T, c client.WithWatch, namespace, file string) *running {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	clk := clocktesting.NewFakeClock(time.Now())
	r := &running{clock: clk, namespace: namespace, stop: stop, ended: make(chan error, 1), Loop: &Loop{
		Client: c, File: file, State: types.NamespacedName{Namespace: namespace, Name: "gitlatch-reporter"}, Clock: clk,
	}}
	go func() { r.ended <- r.Start(ctx) }()
	t.Cleanup(stop)
	return r
}

func (r *running) finish(t *testing.T) {
	t.Helper()
	r.stop()
	must(t, <-r.ended)
}

// put makes a record of this namespace.
func (r *running) put(t *testing.T, c client.Client, suffix string) string {
	t.Helper()
	rec := denied()
	rec.Spec.Request.Namespace = r.namespace
	create(t, c, name(t, suffix), r.clock.Now(), rec)
	return string(rec.UID)
}

// soon lets the loop's own time pass until something is so.
func (r *running) soon(t *testing.T, what string, ask func() bool) {
	t.Helper()
	eventually(t, what, 20*time.Second, func() bool {
		r.clock.Step(lookEvery)
		return ask()
	})
}

func receivers(t *testing.T, file string, lines ...string) {
	t.Helper()
	text := "receivers:\n"
	for _, line := range lines {
		text += "- " + line + "\n"
	}
	if len(lines) == 0 {
		text = "receivers: []\n"
	}
	must(t, os.WriteFile(file, []byte(text), 0o600))
}

// TestWhoComesLaterIsNotToldOfWhatWas: but whoever was there before a restart misses
// nothing of the time in which nobody told.
func TestWhoComesLaterIsNotToldOfWhatWas(t *testing.T) {
	c, first, second := newClient(t), newPlace(t), newPlace(t)
	namespace, file := name(t, "ns"), filepath.Join(t.TempDir(), "receivers.yaml")
	newNamespace(t, c, namespace)
	line := func(name string, p *place) string {
		return fmt.Sprintf("{name: %s, type: slack, url: %q, namespaces: [%s], outcomes: [Denied]}", name, p.URL, namespace)
	}
	loop := run(t, c, namespace, file) // no file yet
	loop.put(t, c, "before")
	loop.clock.Step(2 * time.Second)
	receivers(t, file, line("first", first))
	loop.soon(t, "the file is read", func() bool { return len(loop.all()) == 1 })
	loop.clock.Step(2 * time.Second)
	a := loop.put(t, c, "a")
	loop.soon(t, "the first is told", func() bool { return len(first.received()) == 1 })
	loop.finish(t)

	loop.clock.Step(2 * time.Second)
	b := loop.put(t, c, "b") // while nobody runs
	receivers(t, file, line("first", first), line("second", second))
	at := loop.clock.Now()
	loop = run(t, c, namespace, file)
	loop.clock.SetTime(at.Add(2 * time.Second))
	loop.soon(t, "the first is told after the restart", func() bool { return len(first.received()) == 2 })
	loop.soon(t, "the second is there", func() bool { return len(loop.all()) == 2 })
	loop.clock.Step(2 * time.Second)
	d := loop.put(t, c, "d")
	loop.soon(t, "both are told", func() bool { return len(first.received()) == 3 && len(second.received()) >= 1 })
	loop.finish(t)
	if diff := cmp.Diff([]string{a, b, d}, first.ids()); diff != "" {
		t.Errorf("the first (-want +got):\n%s", diff)
	}
	if !slices.Contains(second.ids(), d) || slices.Contains(second.ids(), a) {
		t.Errorf("the second was told of %v; want %s, and not %s", second.ids(), d, a)
	}
}

// TestAWrongFileSilencesNobody, and the next right one is used.
func TestAWrongFileSilencesNobody(t *testing.T) {
	c, p, other := newClient(t), newPlace(t), newPlace(t)
	namespace, file := name(t, "ns"), filepath.Join(t.TempDir(), "receivers.yaml")
	newNamespace(t, c, namespace)
	line := func(p *place) string {
		return fmt.Sprintf("{name: oncall, type: slack, url: %q, namespaces: [%s], outcomes: [Denied], since: 2020-01-01T00:00:00Z}", p.URL, namespace)
	}
	receivers(t, file, line(p))
	loop := run(t, c, namespace, file)
	loop.put(t, c, "a")
	loop.soon(t, "it is told", func() bool { return len(p.received()) == 1 })
	must(t, os.WriteFile(file, []byte("receivers:\n- name: oncall\n  typ: slack\n"), 0o600))
	loop.clock.Step(lookEvery)
	loop.put(t, c, "b")
	loop.soon(t, "it is told in spite of the slip", func() bool { return len(p.received()) == 2 })
	must(t, os.Remove(file))
	loop.clock.Step(lookEvery)
	loop.put(t, c, "c")
	loop.soon(t, "it is told although the file is gone", func() bool { return len(p.received()) == 3 })
	receivers(t, file, line(other))
	loop.clock.Step(lookEvery)
	time.Sleep(100 * time.Millisecond) // the look is another goroutine's
	loop.put(t, c, "d")
	loop.soon(t, "the new address is told", func() bool { return len(other.received()) == 1 })
	receivers(t, file)
	loop.soon(t, "nobody is told", func() bool { return len(loop.all()) == 0 })
	loop.finish(t)
	if told := len(p.received()); told != 3 {
		t.Errorf("the old address was told %d times, want 3", told)
	}
}

// TestAFileThatIsMissing is no mistake, unless there were receivers.
func TestAFileThatIsMissing(t *testing.T) {
	c, file := newClient(t), filepath.Join(t.TempDir(), "receivers.yaml")
	namespace := name(t, "ns")
	newNamespace(t, c, namespace)
	loop := &Loop{Client: c, File: file, State: types.NamespacedName{Namespace: namespace, Name: "gitlatch-reporter"}}
	loop.prepare()
	loop.look(t.Context())
	if loop.config == nil || !loop.complete {
		t.Error("a file that never was is taken for a mistake")
	}
	if _, err := loop.memory.since(t.Context(), "oncall", noon); err != nil {
		t.Fatal(err)
	}
	again := &Loop{Client: c, File: file, State: loop.State}
	again.prepare()
	_, _, err := again.none(t.Context(), "", os.ErrNotExist)
	if err == nil || err.Error() != "file does not exist, and there were receivers: oncall" {
		t.Errorf("error %v", err)
	}
}

// TestTheFirstDenialOfARequester is all that some want to hear.
func TestTheFirstDenialOfARequester(t *testing.T) {
	c, p := newClient(t), newPlace(t)
	namespace, file := name(t, "ns"), filepath.Join(t.TempDir(), "receivers.yaml")
	newNamespace(t, c, namespace)
	receivers(t, file, fmt.Sprintf("{name: oncall, type: slack, url: %q, namespaces: [%s], outcomes: [Denied], since: 2020-01-01T00:00:00Z, denied: NewRequester}", p.URL, namespace))
	var want []string
	for n, user := range []string{"alice", "alice", "bob", "alice"} {
		rec := denied()
		rec.Spec.Requester.Username, rec.Spec.Request.Namespace = name(t, user), namespace
		create(t, c, name(t, fmt.Sprint(n)), time.Now().Add(time.Duration(n-5)*time.Minute), rec)
		if n == 0 || n == 2 {
			want = append(want, string(rec.UID))
		}
	}
	loop := run(t, c, namespace, file)
	loop.soon(t, "both are told", func() bool { return len(p.received()) == 2 })
	for range 20 {
		loop.clock.Step(lookEvery)
		time.Sleep(10 * time.Millisecond)
	}
	loop.finish(t)
	if diff := cmp.Diff(want, p.ids()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestMoreThanIsRemembered is told all the same: what did not fit is read again.
func TestMoreThanIsRemembered(t *testing.T) {
	q := queue{}
	for n := range maxPending + 10 {
		q.put(item{name: fmt.Sprint(n), outcome: "Denied"})
	}
	if q.roomAgain() || len(q.items) != maxPending {
		t.Fatalf("%d remembered, want %d", len(q.items), maxPending)
	}
	if !q.put(item{name: "bypass", outcome: "Bypass"}) {
		t.Error("an urgent one did not fit")
	}
	for n := range maxPending/2 + 1 {
		q.drop(fmt.Sprint(n))
	}
	if !q.roomAgain() || q.roomAgain() {
		t.Error("it is not said, or said twice, that there is room again")
	}
}
