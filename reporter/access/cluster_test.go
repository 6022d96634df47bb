package access

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/discovery"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/test/cluster"
)

// start starts a control plane with Gitlatch's kinds and no gate: RBAC is all that is
// asked here.
func start(t *testing.T) (client.Client, *rest.Config) {
	t.Helper()
	c, err := cluster.Start(t.Context(), cluster.Options{Progress: os.Stderr})
	must(t, err)
	t.Cleanup(func() { must(t, c.Stop()) })
	crds, err := filepath.Abs("../../manifests/crds")
	must(t, err)
	for _, args := range [][]string{
		{"apply", "-k", crds},
		{"wait", "--for=condition=Established", "crd/changepolicies.gitlatch.dev", "crd/gitsyncs.gitlatch.dev", "--timeout=30s"},
	} {
		if _, stderr, code := c.Kubectl(t.Context(), "admin", "", args...); code != 0 {
			t.Fatal(stderr)
		}
	}
	scheme := runtime.NewScheme()
	must(t, clientgoscheme.AddToScheme(scheme))
	must(t, v1alpha1.AddToScheme(scheme))
	config := rest.CopyConfig(c.Config("admin"))
	config.QPS = -1
	api, err := client.New(config, client.Options{Scheme: scheme})
	must(t, err)
	return api, config
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestAccessSaysWhatTheAPIServerAnswers: over random roles and bindings, what a grant
// allows, and what Find finds, is what a SubjectAccessReview answers.
func TestAccessSaysWhatTheAPIServerAnswers(t *testing.T) {
	api, config := start(t)
	for _, name := range []string{"gitops", "prod", "gitlatch-system"} {
		must(t, api.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}))
	}
	p := shop().Policies[0].DeepCopy()
	p.Spec.Match, p.Spec.BreakGlass.MaxDuration = v1alpha1.Match{}, metav1.Duration{Duration: time.Hour}
	must(t, api.Create(t.Context(), p))
	subjects := seed(t, api)

	served, err := discovery.NewDiscoveryClientForConfig(config)
	must(t, err)
	o, err := Read(t.Context(), api, served, shop().Install)
	must(t, err)
	if len(o.Kinds) < 100 || len(o.Namespaces) < 6 || len(o.Policies) != 1 || len(o.ClusterRoles) < 60 {
		t.Fatalf("read %d kinds, %d namespaces, %d policies, %d cluster roles", len(o.Kinds), len(o.Namespaces), len(o.Policies), len(o.ClusterRoles))
	}
	// The same grid for both: every resource that the random rules name.
	o.Kinds = slices.DeleteFunc(o.Kinds, func(k Kind) bool {
		return !slices.Contains(grid(), resourceName(k.Group, k.Resource, k.Subresource))
	})
	if len(o.Kinds) != len(grid()) {
		t.Fatalf("the API server serves %d of the %d kinds of the grid", len(o.Kinds), len(grid()))
	}
	a := &asker{api: api, known: map[string]bool{}}
	t.Run("a grant allows what RBAC allows", func(t *testing.T) { a.grants(t, o, subjects) })
	t.Run("an act is found where RBAC allows it", func(t *testing.T) { a.acts(t, o, subjects) })
	t.Run("the control plane's own are expected", func(t *testing.T) {
		var got []string
		for _, f := range Find(o).Unexpected() {
			if !strings.HasPrefix(f.Through.Name, "random-") && !strings.HasPrefix(f.Through.Name, "test:") {
				got = append(got, f.Subject.String()+" "+string(f.Act)+" "+f.Through.String())
			}
		}
		if diff := cmp.Diff([]string(nil), got); diff != "" {
			t.Errorf("unexpected on an untouched cluster (-want +got):\n%s", diff)
		}
	})
}

func grid() []string {
	return []string{
		"configmaps", "namespaces", "nodes", "pods/eviction", "secrets", "apps/deployments", "apps/deployments/scale",
		"rbac.authorization.k8s.io/clusterroles", "gitlatch.dev/changepolicies", "gitlatch.dev/gitsyncs",
	}
}

// seed binds random roles to people, groups and accounts, and waits until the API
// server knows them.
func seed(t *testing.T, api client.Client) []Subject {
	t.Helper()
	var subjects []Subject
	for _, text := range []string{
		"user:dave", "user:erin", "user:frank", "user:grace", "group:oncall-eu", "group:oncall", "group:ops",
		"sa:prod/web", "sa:gitops/helper", "sa:prod/other",
	} {
		s, err := ParseSubject(text)
		must(t, err)
		subjects = append(subjects, s)
	}
	random := rand.New(rand.NewPCG(4, 8))
	pick := func(list ...string) string { return list[random.IntN(len(list))] }
	rule := func() rbacv1.PolicyRule {
		r := rbacv1.PolicyRule{
			Verbs:     []string{pick("create", "patch", "delete", "deletecollection", "get", "impersonate", "breakglass", "escalate", "bind", "*")},
			APIGroups: []string{pick("", "", "", "apps", "rbac.authorization.k8s.io", "admissionregistration.k8s.io", "authentication.k8s.io", "gitlatch.dev", "*")},
			Resources: []string{pick("configmaps", "namespaces", "nodes", "nodes/proxy", "pods", "pods/exec", "pods/*", "*/exec", "*/scale", "deployments",
				"serviceaccounts", "serviceaccounts/token", "users", "groups", "uids", "userextras/gitlatch.dev/sync", "clusterroles", "roles",
				"changepolicies", "gitsyncs", "mutatingwebhookconfigurations", "validatingadmissionpolicies", "*")},
		}
		if random.IntN(3) == 0 {
			r.ResourceNames = []string{pick("web", "sync", "gitlatch", "prod", "oncall")}
		}
		return r
	}
	for i := range 60 {
		name := fmt.Sprintf("random-%02d", i)
		rules := []rbacv1.PolicyRule{rule(), rule()}
		ref := rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: name}
		bound := []rbacv1.Subject{named(subjects[random.IntN(len(subjects))].String())}
		namespace := pick("", "prod", "gitops", "gitlatch-system")
		if namespace != "" && random.IntN(2) == 0 {
			ref.Kind = "Role"
			must(t, api.Create(t.Context(), &rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}, Rules: rules}))
		} else {
			must(t, api.Create(t.Context(), &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: name}, Rules: rules}))
		}
		if namespace == "" {
			must(t, api.Create(t.Context(), &rbacv1.ClusterRoleBinding{ObjectMeta: metav1.ObjectMeta{Name: name}, RoleRef: ref, Subjects: bound}))
			continue
		}
		must(t, api.Create(t.Context(), &rbacv1.RoleBinding{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}, RoleRef: ref, Subjects: bound}))
	}
	return subjects
}

// asker asks the API server, and keeps its answers.
type asker struct {
	api   client.Client
	mu    sync.Mutex
	known map[string]bool
}

// ask asks as the subject and nobody else: a group is somebody of no other rights in it.
func (a *asker) ask(ctx context.Context, s Subject, q attributes) (bool, error) {
	review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
		User: s.Name,
		ResourceAttributes: &authorizationv1.ResourceAttributes{
			Verb: q.verb, Group: q.group, Version: "v1", Resource: q.resource, Subresource: q.subresource, Namespace: q.namespace, Name: q.name,
		},
	}}
	switch s.Kind {
	case rbacv1.GroupKind:
		review.Spec.User, review.Spec.Groups = "nobody-else", []string{s.Name}
	case rbacv1.ServiceAccountKind:
		review.Spec.User = accountPrefix + s.Namespace + ":" + s.Name
	}
	key := fmt.Sprintf("%s %+v", s, q)
	a.mu.Lock()
	answer, known := a.known[key]
	a.mu.Unlock()
	if known {
		return answer, nil
	}
	err := a.api.Create(ctx, review)
	a.mu.Lock()
	defer a.mu.Unlock()
	if err == nil {
		a.known[key] = review.Status.Allowed
	}
	return review.Status.Allowed, err
}

// settled asks again for a while where the answer is not the one that is wanted: the
// API server's own view of RBAC is a moment behind.
func (a *asker) settled(ctx context.Context, s Subject, q attributes, want bool) (bool, error) {
	for try := 0; ; try++ {
		got, err := a.ask(ctx, s, q)
		if err != nil || got == want || try == 5 {
			return got, err
		}
		a.mu.Lock()
		delete(a.known, fmt.Sprintf("%s %+v", s, q))
		a.mu.Unlock()
		time.Sleep(200 * time.Millisecond)
	}
}

func (a *asker) grants(t *testing.T, o *Objects, subjects []Subject) {
	all := grants(o)
	var work []func() string
	for _, s := range subjects {
		random := rand.New(rand.NewPCG(uint64(len(s.Name)), 7))
		for range 250 {
			pick := func(list ...string) string { return list[random.IntN(len(list))] }
			full := pick("/configmaps", "/namespaces", "/nodes/proxy", "/pods/exec", "/serviceaccounts/token", "/serviceaccounts", "/users", "/groups",
				"apps/deployments", "apps/deployments/scale", "authentication.k8s.io/uids", "authentication.k8s.io/userextras/gitlatch.dev/sync",
				"rbac.authorization.k8s.io/clusterroles", "gitlatch.dev/changepolicies", "admissionregistration.k8s.io/mutatingwebhookconfigurations")
			group, rest, _ := strings.Cut(full, "/")
			resource, subresource, _ := strings.Cut(rest, "/")
			q := attributes{
				verb:  pick("create", "patch", "delete", "deletecollection", "get", "impersonate", "breakglass", "escalate", "bind"),
				group: group, resource: resource, subresource: subresource,
				namespace: pick("", "prod", "gitops", "gitlatch-system"), name: pick("", "web", "sync", "gitlatch", "prod"),
			}
			want := slices.ContainsFunc(all, func(g grant) bool { return g.subject == s && g.allows(q) })
			work = append(work, func() string {
				got, err := a.settled(t.Context(), s, q, want)
				if err != nil || got != want {
					return fmt.Sprintf("%s %+v: the API server says %t (%v), the grants %t", s, q, got, err, want)
				}
				return ""
			})
		}
	}
	allowed := 0
	for _, wrong := range parallel(work) {
		if wrong != "" {
			t.Error(wrong)
		}
	}
	for _, answer := range a.known {
		if answer {
			allowed++
		}
	}
	if allowed < 50 || allowed == len(a.known) {
		t.Errorf("%d of %d questions were answered with yes: the grid tells nothing", allowed, len(a.known))
	}
}

func parallel(work []func() string) []string {
	out := make([]string, len(work))
	var group sync.WaitGroup
	turns := make(chan struct{}, 8)
	for i, do := range work {
		turns <- struct{}{}
		group.Go(func() { out[i] = do(); <-turns })
	}
	group.Wait()
	return out
}

// acts compares what Find finds with a list of what each act takes, written down here a
// second time.
func (a *asker) acts(t *testing.T, o *Objects, subjects []Subject) {
	found := map[Subject]map[Act]bool{}
	for _, f := range Find(o).Findings {
		if found[f.Subject] == nil {
			found[f.Subject] = map[Act]bool{}
		}
		found[f.Subject][f.Act] = true
	}
	seen := map[Act]int{}
	for _, s := range subjects {
		for act, asked := range oracle() {
			if act == ActBreakGlass && s.Name != "oncall" {
				continue // the verb is half of the right
			}
			allowed := ""
			for _, q := range asked {
				yes, err := a.ask(t.Context(), s, q)
				must(t, err)
				if yes {
					allowed = fmt.Sprintf("%+v", q)
					seen[act]++
					break
				}
			}
			if found[s][act] != (allowed != "") {
				t.Errorf("%s %s: found %t, and the API server allows %q", s, act, found[s][act], allowed)
			}
		}
	}
	for _, act := range Acts() {
		if seen[act] == 0 {
			t.Errorf("nobody may do %s: the grid tells nothing", act)
		}
	}
}

func oracle() map[Act][]attributes {
	out := map[Act][]attributes{}
	ask := func(act Act, full, namespace string, names []string, list ...string) {
		group, rest, _ := strings.Cut(full, "/")
		resource, subresource, _ := strings.Cut(rest, "/")
		for _, verb := range list {
			of := names
			if verb == "deletecollection" || verb == "create" && subresource == "" {
				of = []string{""}
			}
			for _, name := range of {
				out[act] = append(out[act], attributes{
					verb: verb, group: group, resource: resource, subresource: subresource, namespace: namespace, name: name,
				})
			}
		}
	}
	anyName := []string{"-", "web", "sync", "gitlatch", "prod", "oncall"}
	for _, kind := range []string{"mutatingwebhookconfigurations", "validatingwebhookconfigurations", "validatingadmissionpolicies", "mutatingadmissionpolicies"} {
		ask(ActGate, "admissionregistration.k8s.io/"+kind, "", []string{"gitlatch"}, writeVerbs()...)
	}
	for _, who := range []string{"/users", "/groups", "authentication.k8s.io/uids", "authentication.k8s.io/userextras/gitlatch.dev/sync"} {
		ask(ActImpersonate, who, "", anyName, "impersonate")
	}
	ask(ActPod, "/nodes/proxy", "", anyName, "get", "create")
	ask(ActPolicy, "gitlatch.dev/changepolicies", "", anyName, writeVerbs()...)
	ask(ActGrant, "rbac.authorization.k8s.io/clusterroles", "", anyName, "escalate", "bind")
	ask(ActWrite, "rbac.authorization.k8s.io/clusterroles", "", anyName, writeVerbs()...)
	ask(ActWrite, "/nodes", "", anyName, writeVerbs()...)
	ask(ActBreakGlass, "/nodes", "", anyName, "breakglass")
	for _, namespace := range []string{"default", "prod", "gitops", "gitlatch-system", "kube-system"} {
		ask(ActImpersonate, "/serviceaccounts", namespace, anyName, "impersonate")
		ask(ActPolicy, "gitlatch.dev/gitsyncs", namespace, anyName, writeVerbs()...)
		ask(ActGrant, "rbac.authorization.k8s.io/roles", namespace, anyName, "escalate", "bind")
		ask(ActGrant, "rbac.authorization.k8s.io/clusterroles", namespace, anyName, "bind")
		for _, kind := range []string{"/configmaps", "/secrets", "apps/deployments"} {
			ask(ActWrite, kind, namespace, anyName, writeVerbs()...)
			ask(ActBreakGlass, kind, namespace, anyName, "breakglass")
		}
		ask(ActWrite, "apps/deployments/scale", namespace, anyName, "update", "patch")
		ask(ActWrite, "/namespaces", namespace, []string{namespace}, "update", "patch", "delete")
		ask(ActBreakGlass, "/namespaces", namespace, []string{namespace}, "breakglass")
	}
	ask(ActWrite, "/namespaces", "", nil, "create")
	for _, home := range []string{"gitops", "gitlatch-system", "kube-system"} {
		account := map[string]string{"gitops": "sync", "gitlatch-system": "gitlatch-webhook", "kube-system": "job-controller"}[home]
		ask(ActToken, "/serviceaccounts/token", home, []string{account}, "create")
		for _, kind := range []string{"/pods", "/replicationcontrollers", "apps/deployments", "apps/daemonsets", "batch/jobs", "batch/cronjobs"} {
			ask(ActPod, kind, home, anyName, "create", "update", "patch")
		}
		if home != "kube-system" {
			for _, door := range []string{"exec", "attach", "portforward", "proxy"} {
				ask(ActPod, "/pods/"+door, home, anyName, "get", "create")
			}
			ask(ActPod, "/pods/ephemeralcontainers", home, anyName, "update", "patch")
		}
	}
	return out
}
