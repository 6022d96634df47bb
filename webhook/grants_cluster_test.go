package webhook

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	apilabels "k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/policy"
	"github.com/gitlatch/gitlatch/reporter/record"
)

// bench is one replica's grants and closing loop on the real control plane, with
// a clock of its own.
type bench struct {
	*Grants
	*Closing
	clock   *clocktesting.FakeClock
	config  *rest.Config
	clients kubernetes.Interface
	client  client.Client
}

// newBench begins at noon and knows nothing; watch starts its informers.
func newBench(t *testing.T) *bench {
	t.Helper()
	config := controlPlane(t).Config("admin")
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{v1alpha1.AddToScheme, corev1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	direct, err := client.New(config, client.Options{Scheme: scheme})
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{clock: clocktesting.NewFakeClock(noon), config: config, client: direct,
		clients: kubernetes.NewForConfigOrDie(config)}
	b.Grants = &Grants{Client: direct, Live: direct, Clock: b.clock,
		Reviews: b.clients.AuthorizationV1().SubjectAccessReviews()}
	b.Closing = &Closing{Grants: b.Grants, Metadata: metadata.NewForConfigOrDie(config), Clock: b.clock}
	return b
}

// watch feeds the grants as a replica's are, and returns when they are synced.
func (b *bench) watch(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	informer := func(key, value string) Informer {
		c, err := cache.New(b.config, cache.Options{
			Scheme: b.client.Scheme(), DefaultLabelSelector: apilabels.SelectorFromSet(apilabels.Set{key: value}),
		})
		if err != nil {
			t.Fatal(err)
		}
		i, err := c.GetInformer(ctx, &v1alpha1.ChangeRecord{}, cache.BlockUntilSynced(false))
		if err != nil {
			t.Fatal(err)
		}
		go func() { _ = c.Start(ctx) }()
		return i
	}
	if b.Synced() {
		t.Error("synced before it watches")
	}
	if err := b.Watch(informer(v1alpha1.LabelWindow, record.WindowOpen), informer(v1alpha1.LabelUnresolved, record.Unresolved)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "synced", b.Synced)
}

// write stores a record, its status included, and deletes it after the test.
func (b *bench) write(t *testing.T, rec *v1alpha1.ChangeRecord) *v1alpha1.ChangeRecord {
	t.Helper()
	rec = rec.DeepCopy()
	status := rec.Status
	status.FirstSeen, status.LastSeen = metav1.NewMicroTime(noon), metav1.NewMicroTime(noon)
	if err := b.client.Create(t.Context(), rec); err != nil {
		t.Fatal(err)
	}
	rec.Status = status
	if err := b.client.Status().Update(t.Context(), rec); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.client.Delete(context.Background(), rec) })
	return rec
}

func (b *bench) read(t *testing.T, name string) *v1alpha1.ChangeRecord {
	t.Helper()
	rec := &v1alpha1.ChangeRecord{}
	if err := b.client.Get(t.Context(), client.ObjectKey{Name: name}, rec); err != nil {
		t.Fatal(err)
	}
	return rec
}

// namespace makes a namespace for this test alone.
func (b *bench) namespace(t *testing.T, name string) *corev1.Namespace {
	t.Helper()
	ns, err := b.clients.CoreV1().Namespaces().Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return ns
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
	}
}

func in(namespace string) func(*v1alpha1.ChangeRecord) {
	return func(rec *v1alpha1.ChangeRecord) { rec.Spec.Request.Namespace = namespace }
}

func TestAuthorizeAsksTheAPIServer(t *testing.T) {
	b := newBench(t)
	b.namespace(t, "authorize")
	role := &rbacv1.Role{
		ObjectMeta: metav1.ObjectMeta{Name: "emergency", Namespace: "authorize"},
		Rules: []rbacv1.PolicyRule{{
			Verbs: []string{"breakglass"}, APIGroups: []string{"apps"}, Resources: []string{"deployments"}, ResourceNames: []string{"web"},
		}},
	}
	if _, err := b.clients.RbacV1().Roles("authorize").Create(t.Context(), role, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	binding := &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "emergency", Namespace: "authorize"},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: "emergency"},
		Subjects: []rbacv1.Subject{
			{Kind: rbacv1.UserKind, APIGroup: rbacv1.GroupName, Name: "dora"},
			{Kind: rbacv1.GroupKind, APIGroup: rbacv1.GroupName, Name: "night-shift"},
		},
	}
	if _, err := b.clients.RbacV1().RoleBindings("authorize").Create(t.Context(), binding, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	ask := func(user string, groups ...string) *policy.Request {
		return writeToWeb(func(r *policy.Request) {
			r.Namespace = "authorize"
			r.User = policy.User{Name: user, UID: user + "-uid", Groups: groups, Extra: map[string][]string{"example.com/shift": {"night"}}}
		})
	}
	// The API server's own authorizer learns of a new role from its watch.
	eventually(t, "dora has the verb", func() bool { return b.Authorize(t.Context(), ask("dora")) == policy.Authorized })
	scale, other, create := ask("dora"), ask("dora"), ask("dora")
	scale.Subresource, other.Name, create.Name = "scale", "db", "web*"
	for _, tt := range []struct {
		name string
		req  *policy.Request
		want policy.Authorization
	}{
		{"a user with the verb", ask("dora"), policy.Authorized},
		{"a member of a group with the verb", ask("erik", "night-shift"), policy.Authorized},
		{"a user without the verb", ask("erik"), policy.Unauthorized},
		{"a subresource is its parent's", scale, policy.Authorized},
		{"another name than the role has", other, policy.Unauthorized},
		{"a name that is yet to be generated is no name", create, policy.Unauthorized},
		{"the wildcard of cluster-admin holds every verb", ask("alice", "devs"), policy.Authorized},
	} {
		if got := b.Authorize(t.Context(), tt.req); got != tt.want {
			t.Errorf("%s: got %d, want %d", tt.name, got, tt.want)
		}
	}

	if err := b.clients.RbacV1().RoleBindings("authorize").Delete(t.Context(), "emergency", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a right that was taken away is gone", func() bool {
		return b.Authorize(t.Context(), ask("dora")) == policy.Unauthorized
	})
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if got := b.Authorize(gone, ask("alice", "devs")); got != policy.AuthorizationFailed {
		t.Errorf("no answer: got %d, want AuthorizationFailed", got)
	}
}

// reviews answers as one function.
type reviews func() (authorizationv1.SubjectAccessReviewStatus, error)

func (f reviews) Create(_ context.Context, review *authorizationv1.SubjectAccessReview, _ metav1.CreateOptions) (*authorizationv1.SubjectAccessReview, error) {
	status, err := f()
	review.Status = status
	return review, err
}

func TestAnAnswerInDoubtIsNoAuthorization(t *testing.T) {
	for _, tt := range []struct {
		name   string
		status authorizationv1.SubjectAccessReviewStatus
		err    error
		want   policy.Authorization
	}{
		{name: "an error, even beside a yes", status: authorizationv1.SubjectAccessReviewStatus{Allowed: true}, err: errors.New("timeout"), want: policy.AuthorizationFailed},
		{name: "allowed and denied at once", status: authorizationv1.SubjectAccessReviewStatus{Allowed: true, Denied: true}, want: policy.Unauthorized},
		{name: "no, and a role could not be read", status: authorizationv1.SubjectAccessReviewStatus{EvaluationError: "role not found"}, want: policy.AuthorizationFailed},
		{name: "yes, and another role could not be read", status: authorizationv1.SubjectAccessReviewStatus{Allowed: true, EvaluationError: "role not found"}, want: policy.Authorized},
		{name: "an empty answer", want: policy.Unauthorized},
	} {
		g := &Grants{Reviews: reviews(func() (authorizationv1.SubjectAccessReviewStatus, error) { return tt.status, tt.err })}
		if got := g.Authorize(t.Context(), writeToWeb()); got != tt.want {
			t.Errorf("%s: got %d, want %d", tt.name, got, tt.want)
		}
	}
}

func TestLiveWindowsShowWhatAnotherReplicaOpened(t *testing.T) {
	here := newBench(t) // does not watch
	rec := here.write(t, openingRecord(recordNamed("cr-live"), in("live")))
	here.write(t, openingRecord(recordNamed("cr-live-other"), in("live"), func(rec *v1alpha1.ChangeRecord) { rec.Spec.Request.Name = "db" }))
	here.write(t, openingRecord(recordNamed("cr-live-ended"), in("live"), func(rec *v1alpha1.ChangeRecord) {
		rec.Status.Window = &v1alpha1.WindowEnd{At: metav1.NewMicroTime(noon), Reason: v1alpha1.WindowRemoved}
	}))
	here.write(t, openingRecord(recordNamed("cr-live-alice"), in("live"), func(rec *v1alpha1.ChangeRecord) {
		rec.Spec.Requester.Username = "alice" // and a label that says otherwise
	}))
	req := writeToWeb(func(r *policy.Request) { r.Namespace = "live" })
	if got := here.Windows(req); got != nil {
		t.Errorf("windows without a watch: %v", got)
	}
	want := []policy.Window{objectWindow(func(w *policy.Window) {
		w.Record, w.Namespace, w.Until = rec.Name, "live", rec.Spec.BreakGlass.Until.Time
	})}
	got, err := here.LiveWindows(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("live windows (-want +got):\n%s", diff)
	}
	here.clock.SetTime(noon.Add(30 * time.Minute))
	if got, err = here.LiveWindows(t.Context(), req); err != nil || len(got) != 0 {
		t.Errorf("live windows when their time is over: %v, %v", got, err)
	}
}

func TestARestartFindsTheOpenWindows(t *testing.T) {
	before := newBench(t)
	before.write(t, openingRecord(recordNamed("cr-restart"), in("restart"), func(rec *v1alpha1.ChangeRecord) {
		rec.Spec.Changes = []v1alpha1.Change{{Path: ".spec.replicas", From: "2", To: "4", Declared: true}}
	}))
	before.write(t, openingRecord(recordNamed("cr-restart-over"), in("restart"), func(rec *v1alpha1.ChangeRecord) {
		rec.Spec.BreakGlass.Until.Time = noon.Add(-time.Minute)
	}))
	req := writeToWeb(func(r *policy.Request) { r.Namespace = "restart" })

	after := newBench(t)
	after.watch(t)
	want := []string{"cr-restart"}
	names := func(ws []policy.Window) (out []string) {
		for _, w := range ws {
			out = append(out, w.Record)
		}
		return out
	}
	if diff := cmp.Diff(want, names(after.Windows(req))); diff != "" {
		t.Errorf("windows after a restart (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{".spec.replicas"}, after.Guarded(req)); diff != "" {
		t.Errorf("guarded after a restart (-want +got):\n%s", diff)
	}

	// The other replica hears of an end.
	if err := before.Close(t.Context(), after.Windows(req), v1alpha1.WindowRemoved); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the other replica hears of the end", func() bool { return len(after.Windows(req)) == 0 })
	if !slices.Equal(after.Guarded(req), []string{".spec.replicas"}) {
		t.Error("the end of a window must not end the guard of what was changed in it")
	}
}
