package webhook

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/policy"
	"github.com/gitlatch/gitlatch/reporter/record"
)

// noon is when the tests of this file and its neighbours happen.
var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// openingRecord is the record of oncall opening a window on Deployment prod/web
// at noon, for half an hour.
func openingRecord(tweaks ...func(*v1alpha1.ChangeRecord)) *v1alpha1.ChangeRecord {
	rec := &v1alpha1.ChangeRecord{
		ObjectMeta: metav1.ObjectMeta{
			Name: "cr-open",
			Labels: map[string]string{
				v1alpha1.LabelWindow:     record.WindowOpen,
				v1alpha1.LabelUnresolved: record.Unresolved,
				v1alpha1.LabelOutcome:    string(v1alpha1.OutcomeBreakGlass),
				v1alpha1.LabelUser:       record.UserHash("oncall"),
			},
		},
		Spec: v1alpha1.ChangeRecordSpec{
			Outcome:   v1alpha1.OutcomeBreakGlass,
			Policy:    "cluster",
			Requester: v1alpha1.Requester{Username: "oncall", Groups: []string{"oncall"}},
			Request: v1alpha1.RecordedRequest{
				Operation: "UPDATE", Group: "apps", Version: "v1", Resource: "deployments", Kind: "Deployment",
				Namespace: "prod", Name: "web",
			},
			Evidence:   v1alpha1.EvidenceAdmission,
			Confidence: v1alpha1.ConfidenceProven,
			BreakGlass: &v1alpha1.RecordedWindow{
				Reason: "INC-42: db failover",
				Until:  metav1.NewTime(noon.Add(30 * time.Minute)),
				Scope:  v1alpha1.WindowObject,
			},
		},
	}
	for _, tweak := range tweaks {
		tweak(rec)
	}
	return rec
}

// onNamespace makes it a window on everything in prod.
func onNamespace(rec *v1alpha1.ChangeRecord) {
	rec.Spec.Request.Group, rec.Spec.Request.Resource, rec.Spec.Request.Kind = "", "namespaces", "Namespace"
	rec.Spec.Request.Namespace, rec.Spec.Request.Name = "", "prod"
	rec.Spec.BreakGlass.Scope = v1alpha1.WindowNamespace
}

func recordNamed(name string) func(*v1alpha1.ChangeRecord) {
	return func(rec *v1alpha1.ChangeRecord) { rec.Name = name }
}

func generatedName(rec *v1alpha1.ChangeRecord) {
	rec.Spec.Request.Operation, rec.Spec.Request.Name = "CREATE", "web-*"
}

// finalBirth is the validating call of a create with a generated name, stamped
// with this record.
func finalBirth(stamp string) func(*policy.Request) {
	return func(r *policy.Request) {
		r.Operation, r.Final, r.Name = policy.Create, true, "web-x7k2p"
		r.Object = map[string]any{"metadata": map[string]any{
			"name": "web-x7k2p", "generateName": "web-",
			"annotations": map[string]any{v1alpha1.AnnotationBreakGlassRecord: stamp},
		}}
	}
}

// objectWindow is the window that openingRecord opens.
func objectWindow(tweaks ...func(*policy.Window)) policy.Window {
	w := policy.Window{
		Record: "cr-open", User: "oncall", Scope: v1alpha1.WindowObject,
		Group: "apps", Resource: "deployments", Namespace: "prod", Name: "web",
		Reason: "INC-42: db failover", Until: noon.Add(30 * time.Minute),
	}
	for _, tweak := range tweaks {
		tweak(&w)
	}
	return w
}

// writeToWeb is oncall updating Deployment prod/web.
func writeToWeb(tweaks ...func(*policy.Request)) *policy.Request {
	req := &policy.Request{
		User:      policy.User{Name: "oncall", Groups: []string{"oncall"}},
		Operation: policy.Update,
		Resource:  schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "deployments"},
		Kind:      schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "Deployment"},
		Namespace: "prod", Name: "web",
	}
	for _, tweak := range tweaks {
		tweak(req)
	}
	return req
}

func byUser(user string) func(*policy.Request) {
	return func(req *policy.Request) { req.User.Name = user }
}

func onService(req *policy.Request) {
	req.Resource = schema.GroupVersionResource{Version: "v1", Resource: "services"}
	req.Kind = schema.GroupVersionKind{Version: "v1", Kind: "Service"}
}

func onTheNamespace(req *policy.Request) {
	req.Resource = schema.GroupVersionResource{Version: "v1", Resource: "namespaces"}
	req.Kind = schema.GroupVersionKind{Version: "v1", Kind: "Namespace"}
	req.Namespace, req.Name = "prod", "prod"
}

func TestWindowsAreThoseOfTheRequesterOverTheTarget(t *testing.T) {
	namespaceWindow := policy.Window{
		Record: "cr-open", User: "oncall", Scope: v1alpha1.WindowNamespace, Namespace: "prod",
		Reason: "INC-42: db failover", Until: noon.Add(30 * time.Minute),
	}
	for _, tt := range []struct {
		name string
		rec  *v1alpha1.ChangeRecord
		req  *policy.Request
		now  time.Time
		want []policy.Window
	}{
		{name: "the requester's own object", rec: openingRecord(), req: writeToWeb(), want: []policy.Window{objectWindow()}},
		{name: "a subresource counts for its parent", rec: openingRecord(), want: []policy.Window{objectWindow()},
			req: writeToWeb(func(r *policy.Request) { r.Subresource = "scale" })},
		{name: "another object of the same kind is not covered", rec: openingRecord(),
			req: writeToWeb(func(r *policy.Request) { r.Name = "db" })},
		{name: "the same name in another namespace is not covered", rec: openingRecord(),
			req: writeToWeb(func(r *policy.Request) { r.Namespace = "stage" })},
		{name: "the same name of another kind is not covered", rec: openingRecord(), req: writeToWeb(onService)},
		{name: "somebody else sees a window on the very object, to end it", rec: openingRecord(),
			req: writeToWeb(byUser("alice")), want: []policy.Window{objectWindow()}},
		{name: "a namespace covers what is in it", rec: openingRecord(onNamespace), req: writeToWeb(onService),
			want: []policy.Window{namespaceWindow}},
		{name: "a namespace covers itself", rec: openingRecord(onNamespace), req: writeToWeb(onTheNamespace),
			want: []policy.Window{namespaceWindow}},
		{name: "somebody else in the namespace has no window", rec: openingRecord(onNamespace), req: writeToWeb(byUser("alice"))},
		{name: "somebody else sees the namespace's window on the namespace itself", rec: openingRecord(onNamespace),
			req: writeToWeb(byUser("alice"), onTheNamespace), want: []policy.Window{namespaceWindow}},
		{name: "a namespace does not cover a cluster-scoped object", rec: openingRecord(onNamespace),
			req: writeToWeb(func(r *policy.Request) { r.Namespace = "" })},
		{name: "the last instant is outside", rec: openingRecord(), req: writeToWeb(), now: noon.Add(30 * time.Minute)},
		{name: "the instant before it is inside", rec: openingRecord(), req: writeToWeb(),
			now: noon.Add(30*time.Minute - 1), want: []policy.Window{objectWindow()}},
		{name: "a window that was ended is closed, whatever its label says", req: writeToWeb(),
			rec: openingRecord(func(rec *v1alpha1.ChangeRecord) {
				rec.Status.Window = &v1alpha1.WindowEnd{Reason: v1alpha1.WindowRemoved}
			})},
		{name: "a write inside a window opens none", req: writeToWeb(),
			rec: openingRecord(func(rec *v1alpha1.ChangeRecord) { rec.Spec.BreakGlass.Window = "cr-other" })},
		{name: "a denial opens none", req: writeToWeb(),
			rec: openingRecord(func(rec *v1alpha1.ChangeRecord) { rec.Spec.Outcome = v1alpha1.OutcomeDenied })},
		{name: "a scope that we do not know covers nothing", req: writeToWeb(),
			rec: openingRecord(func(rec *v1alpha1.ChangeRecord) { rec.Spec.BreakGlass.Scope = "Cluster" })},
		{name: "a name to be generated is nobody's, not even the next one with that prefix", rec: openingRecord(generatedName),
			req: writeToWeb(func(r *policy.Request) { r.Operation, r.Name = policy.Create, "web-*" })},
		{name: "the object that opened it is covered in its own validating call", rec: openingRecord(generatedName),
			req: writeToWeb(finalBirth("cr-open")), want: []policy.Window{objectWindow(func(w *policy.Window) { w.Name = "web-x7k2p" })}},
		{name: "another object with that prefix is not", rec: openingRecord(generatedName), req: writeToWeb(finalBirth("cr-other"))},
		{name: "somebody else's is not", rec: openingRecord(generatedName), req: writeToWeb(finalBirth("cr-open"), byUser("alice"))},
		{name: "a generated name is covered once it is known",
			rec:  openingRecord(generatedName, func(rec *v1alpha1.ChangeRecord) { rec.Status.Name = "web-x7k2p" }),
			req:  writeToWeb(func(r *policy.Request) { r.Name = "web-x7k2p" }),
			want: []policy.Window{objectWindow(func(w *policy.Window) { w.Name = "web-x7k2p" })}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.now.IsZero() {
				tt.now = noon
			}
			g := &Grants{Clock: clocktesting.NewFakePassiveClock(tt.now)}
			g.sawWindow(tt.rec)
			if diff := cmp.Diff(tt.want, g.Windows(tt.req)); diff != "" {
				t.Errorf("windows (-want +got):\n%s", diff)
			}
		})
	}
}

func TestIndexFollowsTheWatch(t *testing.T) {
	g := &Grants{Clock: clocktesting.NewFakePassiveClock(noon)}
	see := func(want ...policy.Window) {
		t.Helper()
		if diff := cmp.Diff(want, g.Windows(writeToWeb())); diff != "" {
			t.Errorf("windows (-want +got):\n%s", diff)
		}
	}
	watch := recordHandler(g.sawWindow, g.index.forgetWindow)

	watch.OnAdd(openingRecord(), true)
	see(objectWindow())
	watch.OnUpdate(nil, openingRecord(func(rec *v1alpha1.ChangeRecord) { rec.Status.Count = 2 }))
	see(objectWindow())
	watch.OnAdd(openingRecord(recordNamed("cr-second")), false)
	see(objectWindow(), objectWindow(func(w *policy.Window) { w.Record = "cr-second" }))
	watch.OnDelete(openingRecord(recordNamed("cr-second")))
	see(objectWindow())

	g.index.endWindow("cr-open", &v1alpha1.WindowEnd{At: metav1.NewMicroTime(noon)})
	see()
	watch.OnUpdate(nil, openingRecord()) // an event that was under way
	see()
	g.index.endWindow("cr-early", &v1alpha1.WindowEnd{At: metav1.NewMicroTime(noon)})
	watch.OnAdd(openingRecord(recordNamed("cr-early")), false) // ended before it was told of
	see()
	watch.OnDelete(openingRecord())
	watch.OnUpdate(nil, openingRecord(recordNamed("cr-early"), func(rec *v1alpha1.ChangeRecord) { rec.Labels = nil }))
	if left := g.index.all(); len(left) != 0 || len(g.index.byUser) != 0 || len(g.index.byPlace) != 0 {
		t.Errorf("left in the index: %v %v %v", left, g.index.byUser, g.index.byPlace)
	}
}
