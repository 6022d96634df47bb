package webhook

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	admissionv1 "k8s.io/api/admission/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/policy"
)

// A window that the watch shows as open admits nobody once its record says that it
// was ended: on another replica, a moment ago.
func TestAWindowIsReadLiveBeforeItAdmits(t *testing.T) {
	window := objectWindow(func(w *policy.Window) { w.Until = time.Now().Add(time.Hour) })
	by := deployment(func(r *admissionv1.AdmissionRequest) {
		r.UserInfo.Username, r.UserInfo.Groups = "oncall", []string{"oncall"}
	})
	for name, test := range map[string]struct {
		live func() ([]policy.Window, error)
		want string // of a denial
	}{
		"it is open":      {func() ([]policy.Window, error) { return []policy.Window{window}, nil }, ""},
		"it was ended":    {func() ([]policy.Window, error) { return nil, nil }, "OutOfBand: "},
		"it is not known": {func() ([]policy.Window, error) { return nil, errors.New("listing: the API server is away") }, "Undecided: "},
	} {
		for _, final := range []bool{false, true} {
			t.Run(name+" in the "+phaseOf(final)+" call", func(t *testing.T) {
				gate := newGate(t, final, policyIn(t, v1alpha1.ModeEnforce))
				gate.grants.windows, gate.grants.live, gate.grants.authorized = []policy.Window{window}, test.live, policy.Authorized
				got := gate.post(by)
				if got.Allowed != (test.want == "") {
					t.Fatalf("answer %+v, want a denial %q", got, test.want)
				}
				if !got.Allowed && !strings.HasPrefix(got.Result.Message, test.want) {
					t.Errorf("denied with %q, want %q", got.Result.Message, test.want)
				}
				if test.want == "Undecided: " && !strings.Contains(got.Result.Message, "try again in a moment") {
					t.Errorf("%q does not say to try again", got.Result.Message)
				}
			})
		}
	}
}

// That a window is what admits a write shows only once all else is known: the labels of
// the namespace, the object behind the scale, and whether oncall may.
func TestAWindowIsReadLiveHoweverMuchElseWasMissing(t *testing.T) {
	window := objectWindow(func(w *policy.Window) { w.Until = time.Now().Add(time.Hour) })
	gate := newGate(t, false, policyIn(t, v1alpha1.ModeEnforce, func(s *v1alpha1.ChangePolicySpec) {
		s.Match.NamespaceSelector = &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{
			{Key: "sandbox", Operator: metav1.LabelSelectorOpDoesNotExist},
		}}
	}))
	gate.lookups.parent = map[string]any{"metadata": map[string]any{"name": "web", "namespace": "prod"}}
	gate.grants.windows, gate.grants.authorized = []policy.Window{window}, policy.Authorized
	read := 0
	gate.grants.live = func() ([]policy.Window, error) { read++; return []policy.Window{window}, nil }
	got := gate.post(deployment(func(r *admissionv1.AdmissionRequest) {
		r.UserInfo.Username, r.UserInfo.Groups, r.SubResource = "oncall", []string{"oncall"}, "scale"
		r.Kind = metav1.GroupVersionKind{Group: "autoscaling", Version: "v1", Kind: "Scale"}
		r.Object.Raw = []byte(`{"apiVersion":"autoscaling/v1","kind":"Scale","metadata":{"name":"web","namespace":"prod"},"spec":{"replicas":4}}`)
		r.OldObject.Raw = []byte(`{"apiVersion":"autoscaling/v1","kind":"Scale","metadata":{"name":"web","namespace":"prod"},"spec":{"replicas":2}}`)
	}))
	if !got.Allowed || read != 1 {
		t.Errorf("the windows were read %d times, answer %+v", read, got)
	}
}

// ending is oncall taking the annotation of the window off Deployment prod/web.
func ending(tweaks ...func(*policy.Request)) *policy.Request {
	return writeToWeb(append([]func(*policy.Request){func(r *policy.Request) {
		r.Old = marked(v1alpha1.AnnotationBreakGlass, "INC-42: db failover", v1alpha1.AnnotationBreakGlassRecord, "cr-open")
		r.Object = marked(v1alpha1.AnnotationBreakGlassRecord, "cr-open")
	}}, tweaks...)...)
}

func marked(pairs ...string) map[string]any {
	annotations := map[string]any{}
	for i := 0; i < len(pairs); i += 2 {
		annotations[pairs[i]] = pairs[i+1]
	}
	return map[string]any{"metadata": map[string]any{"annotations": annotations}}
}

// The API server admits a write again that conflicts. The one that ended a window is
// admitted by it again for a moment, and nothing else is.
func TestTheWriteThatEndsAWindowMayComeAgain(t *testing.T) {
	removed := &v1alpha1.WindowEnd{At: metav1.NewMicroTime(noon), Reason: v1alpha1.WindowRemoved}
	for name, test := range map[string]struct {
		req  *policy.Request
		end  *v1alpha1.WindowEnd
		want bool
	}{
		"the same again":                           {ending(), removed, true},
		"long after":                               {ending(), &v1alpha1.WindowEnd{At: metav1.NewMicroTime(noon.Add(-time.Minute)), Reason: v1alpha1.WindowRemoved}, false},
		"a window whose time was over":             {ending(), &v1alpha1.WindowEnd{At: metav1.NewMicroTime(noon), Reason: v1alpha1.WindowExpired}, false},
		"somebody else's write":                    {ending(byUser("alice")), removed, false},
		"another object":                           {ending(onService), removed, false},
		"a write that leaves the annotation":       {ending(func(r *policy.Request) { r.Object = r.Old }), removed, false},
		"a write once the annotation is away":      {ending(func(r *policy.Request) { r.Old = marked() }), removed, false},
		"a write on an object of another record":   {ending(func(r *policy.Request) { r.Old = marked(v1alpha1.AnnotationBreakGlassRecord, "cr-2") }), removed, false},
		"a deletion of the object that carries it": {ending(func(r *policy.Request) { r.Operation, r.Object = policy.Delete, nil }), removed, false},
		"a write once the annotation is away, and the record's mark is not": {ending(func(r *policy.Request) {
			r.Old = marked(v1alpha1.AnnotationBreakGlassRecord, "cr-open")
		}), removed, false},
		"a write that changes another annotation": {ending(func(r *policy.Request) {
			r.Object = marked(v1alpha1.AnnotationBreakGlassRecord, "cr-open", "owner", "alice")
		}), removed, false},
		"a write that changes the object":        {ending(func(r *policy.Request) { r.Object["spec"] = map[string]any{"replicas": int64(9)} }), removed, false},
		"a write that takes the marks away, too": {ending(func(r *policy.Request) { r.Object = marked() }), removed, true},
		"a scale":                                {ending(func(r *policy.Request) { r.Subresource = "scale" }), removed, false},
	} {
		t.Run(name, func(t *testing.T) {
			var want []policy.Window
			if test.want {
				want = []policy.Window{objectWindow()}
			}
			g := &Grants{Clock: clocktesting.NewFakePassiveClock(noon.Add(time.Second))}
			for how, end := range map[string]func(){
				"here":      func() { g.index.endWindow("cr-open", test.end) },
				"elsewhere": func() { g.sawWindow(openingRecord(func(rec *v1alpha1.ChangeRecord) { rec.Status.Window = test.end })) },
			} {
				g.index = windowIndex{}
				g.sawWindow(openingRecord())
				end()
				if diff := cmp.Diff(want, g.Windows(test.req)); diff != "" {
					t.Errorf("windows, ended %s (-want +got):\n%s", how, diff)
				}
			}
			rec := openingRecord(func(rec *v1alpha1.ChangeRecord) { rec.Status.Window = test.end })
			w, _ := windowOf(rec)
			if got := g.usable(test.req, &w, rec, g.Clock.Now()) && covers(&w, requestTarget(test.req)) && w.User == test.req.User.Name; got != test.want {
				t.Errorf("read live, it is usable: %t", got)
			}
		})
	}
}

// Each try ends the window. It stays ended as of the first one, here and on record, and
// the write may not come again once what it ended is finished.
func TestATryDoesNotPutOffTheEnd(t *testing.T) {
	clock := clocktesting.NewFakePassiveClock(noon)
	g := &Grants{Clock: clock}
	g.sawWindow(openingRecord())
	first := &v1alpha1.WindowEnd{At: metav1.NewMicroTime(noon), Reason: v1alpha1.WindowRemoved}
	for _, at := range []time.Duration{0, time.Second, 1900 * time.Millisecond} {
		clock.SetTime(noon.Add(at))
		again := &v1alpha1.WindowEnd{At: metav1.NewMicroTime(clock.Now()), Reason: v1alpha1.WindowRemoved}
		if diff := cmp.Diff(first, g.index.endWindow("cr-open", again)); diff != "" {
			t.Errorf("ended after %s (-want +got):\n%s", at, diff)
		}
		if diff := cmp.Diff([]policy.Window{objectWindow()}, g.Windows(ending())); diff != "" {
			t.Errorf("windows after %s (-want +got):\n%s", at, diff)
		}
	}
	clock.SetTime(noon.Add(settlePeriod))
	if got := g.Windows(ending()); got != nil {
		t.Errorf("once it is finished: %+v", got)
	}
}
