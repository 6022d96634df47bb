package applier

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

// slowRecords tells when a record is about to be written, and takes its time.
type slowRecords struct {
	next    http.RoundTripper
	writing chan struct{}
}

func (s *slowRecords) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method == http.MethodPost {
		s.writing <- struct{}{}
		time.Sleep(600 * time.Millisecond)
	}
	return s.next.RoundTrip(r)
}

// slowly has the bench's records written slowly, and returns what tells of each.
func (b *bench) slowly() <-chan struct{} {
	b.t.Helper()
	slow := &slowRecords{writing: make(chan struct{}, 10)}
	config := applierConfig(b.t)
	config.Wrap(func(next http.RoundTripper) http.RoundTripper {
		slow.next = next
		return slow
	})
	store, err := client.NewWithWatch(config, client.Options{Scheme: newClient(b.t).Scheme()})
	must(b.t, err)
	b.keeping.records.Store = store
	return slow.writing
}

// edit writes to a ConfigMap of the bench as a user does, without waiting for kubectl.
func (b *bench) edit(config *rest.Config, name, patch string) {
	b.t.Helper()
	c, err := client.New(config, client.Options{Scheme: newClient(b.t).Scheme()})
	must(b.t, err)
	o := &unstructured.Unstructured{}
	o.SetAPIVersion("v1")
	o.SetKind("ConfigMap")
	o.SetNamespace(b.space)
	o.SetName(name)
	must(b.t, c.Patch(context.Background(), o, client.RawPatch(types.MergePatchType, []byte(patch)), client.FieldOwner("kubectl-edit")))
}

func TestACommitIsNotOverwrittenByACorrectionUnderWay(t *testing.T) {
	b := newBench(t, newSpace(t), clock.RealClock{})
	b.run(commitOne, greeting)
	writing := b.slowly()
	b.edit(applierConfig(t), "web", `{"data":{"greeting":"hello"}}`)
	<-writing
	two := strings.Replace(greeting, "welcome", "good day", 1)
	b.run(commitTwo, two)
	ref := b.object("ConfigMap", "web")
	b.fields(ref, "map[greeting:good day]", "data")
	b.recordsOf(1, resolved(drifts))
	if n := b.run(commitTwo, two); n != 0 {
		t.Errorf("%d objects were applied again", n)
	}
	b.fields(ref, "map[greeting:good day]", "data")
	b.calm(t)
}

func TestWhatIsPrunedDoesNotComeBackByACorrectionUnderWay(t *testing.T) {
	b := newBench(t, newSpace(t), clock.RealClock{})
	b.run(commitOne, greetings)
	writing := b.slowly()
	b.edit(applierConfig(t), "web", `{"data":{"greeting":"hello"}}`)
	<-writing
	_, api, _ := strings.Cut(greetings, "---\n")
	b.run(commitTwo, api)
	b.prune(b.object("ConfigMap", "web"))
	b.recordsOf(1, resolved(drifts))
	time.Sleep(time.Second)
	if found := b.read(b.object("ConfigMap", "web")); found != nil {
		t.Errorf("it is there again: %v", found.Object)
	}
}

func TestAWriteDuringACorrectionIsRecordedToo(t *testing.T) {
	b := newBench(t, newSpace(t), clock.RealClock{})
	b.run(commitOne, greeting)
	writing := b.slowly()
	b.edit(applierConfig(t), "web", `{"data":{"greeting":"hello"}}`)
	<-writing
	b.edit(applierConfig(t), "web", `{"data":{"greeting":"good night"}}`)
	b.fields(b.object("ConfigMap", "web"), "welcome", "data", "greeting")
	var from []string
	for _, r := range b.recordsOf(2, resolved(drifts)) {
		from = append(from, r.Spec.Changes[0].From)
	}
	if got := strings.Join(from, " "); got != `"hello" "good night"` && got != `"good night" "hello"` {
		t.Errorf("recorded: %s", got)
	}
}

func TestAnEmergencyDuringACorrectionStays(t *testing.T) {
	needGate(t)
	b := newBench(t, newSpace(t, "gate=warn"), clock.RealClock{})
	b.run(commitOne, greeting)
	writing := b.slowly()
	kubectl(t, "alice", "", "patch", "configmap", "web", "-n", b.space, "-p", `{"data":{"greeting":"hello"}}`)
	<-writing
	b.edit(shared.cluster.Config("oncall"), "web", `{"metadata":{"annotations":{"gitlatch.dev/break-glass":"INC-42: the database is gone","gitlatch.dev/break-glass-for":"5s"}},"data":{"greeting":"closed"}}`)
	time.Sleep(2 * time.Second)
	ref := b.object("ConfigMap", "web")
	if got := b.read(ref).Object["data"].(map[string]any)["greeting"]; got != "closed" {
		t.Errorf("inside the window the greeting is %q", got)
	}
	b.fields(ref, "welcome", "data", "greeting")
}

func TestTheRunAsksForWindowsWhereOthersWrote(t *testing.T) {
	b := newBench(t, newSpace(t), clock.RealClock{})
	b.mode(v1alpha1.DriftReport, false)
	b.run(commitOne, greetings)
	web, api := b.object("ConfigMap", "web").Key, b.object("ConfigMap", "api").Key
	b.edit(applierConfig(t), "web", `{"data":{"greeting":"hello"}}`)
	b.recordsOf(1, drifts)
	ask := func(want, other bool) {
		t.Helper()
		_, is := b.suspect(web)
		if _, also := b.suspect(api); is != want || also != other {
			t.Errorf("asks for web: %t, for api: %t", is, also)
		}
	}
	ask(true, false)
	if held, err := b.held(t.Context(), web); held || err != nil {
		t.Errorf("held: %t, %v", held, err)
	}
	ask(false, false) // once is enough until somebody writes again
}
