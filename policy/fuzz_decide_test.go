package policy

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

// fuzzPolicies are of every mode and scope.
func fuzzPolicies(f *testing.F) []*Policy {
	var out []*Policy
	for _, t := range [][]tweak{{}, {declaredOnly}, {declaredFields}, {declaredOnly, declaredFields}, {mode(v1alpha1.ModeAudit)}, {withOthers},
		{spec(func(s *v1alpha1.ChangePolicySpec) {
			s.Match.NamespaceSelector = &metav1.LabelSelector{MatchLabels: map[string]string{"env": "prod"}}
			s.Match.ObjectSelector = &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}}
			s.Controllers = v1alpha1.ControllersNone
		})}} {
		out = append(out, newScene(t...).policy(f))
	}
	return out
}

// FuzzDecide: whatever comes, from whomever, and whatever was looked up, the judge
// answers; it allows nothing that it could not read to anybody but those whom their
// identity alone lets through; and it lets nobody through for a name without its proof.
func FuzzDecide(f *testing.F) {
	policies := fuzzPolicies(f)
	users := []User{alice(), oncall(), admin(), operatorPod(), pipeline(), fluxPod(), webhookPod(), gc(), node(), injector(), posing(fluxPod()), {}}
	text := asJSON(deployment)
	f.Add(text, text, "UPDATE", "apps", "deployments", "", "prod", "web", "kubectl", uint8(0), uint8(0), "", "", "", "", []byte(nil))
	f.Add(text, []byte("null"), "DELETE", "apps", "deployments", "", "prod", "web", "", uint8(3), uint8(1), "", "", "", "", []byte(nil))
	f.Add([]byte("null"), text, "CREATE", "apps", "deployments", "", "prod", "web", "", uint8(3), uint8(2), "", "", "", "", []byte(nil))
	f.Add([]byte("null"), text, "UPDATE", "apps", "deployments", "scale", "prod", "web", "", uint8(3), uint8(2), "", "", "", "", []byte(nil))
	f.Add([]byte("null"), []byte("{}"), "CONNECT", "", "pods", "exec", "prod", "web", "", uint8(1), uint8(3), "", "", "", "", []byte(nil))
	f.Add(asJSON(apiService), asJSON(apiService), "UPDATE", "apiregistration.k8s.io", "apiservices", "", "", "v1.x", "", uint8(9), uint8(5), "", "", "", "", []byte(nil))
	f.Add(asJSON(aRecord), asJSON(aRecord), "UPDATE", "gitlatch.dev", "changerecords", "status", "", "cr-1", "", uint8(0), uint8(0), "", "", "", "", []byte(nil))
	f.Add([]byte("null"), []byte(`{"spec":{"sync":[{}]}}`), "CREATE", "gitlatch.dev", "changepolicies", "", "", "p", "", uint8(0), uint8(0), "", "", "", "", []byte(nil))
	const account, pod = accountPrefix + "flux-system:kustomize-controller", ExtraPodName + "=k-0\n" + ExtraPodUID + "=1\n"
	blue := []byte(strings.Replace(string(text), "registry.example/web:1", "registry.example/web:2", 1))
	for i, around := range []string{`{labels: {env: prod, app: web}, guarded: [".spec.replicas", ".metadata"]}`, `{labels: {}, pod: {found: true, account: kustomize-controller}}`,
		`{pod: {found: false}}`, `{parent: {metadata: {managedFields: [{manager: kustomize-controller, operation: Apply, fieldsType: FieldsV1, fieldsV1: {f:spec: {f:replicas: {}}}}]}}}`} {
		f.Add(text, blue, "UPDATE", "apps", "deployments", "", "prod", "web", "", uint8(0), uint8(i), account, "1", "system:authenticated", pod, asJSON(around))
		f.Add(text, blue, "UPDATE", "apps", "deployments", "scale", "prod", "web", "", uint8(0), uint8(i), account, "", "system:masters\nsystem:nodes", v1alpha1.ExtraSync+"=apps", asJSON(around))
		f.Add([]byte("null"), []byte("{}"), "CONNECT", "", "pods", "exec", "flux-system", "k-0", "", uint8(0), uint8(i), accountPrefix+"kube-system:job-controller", "1", "", ExtraCredentialID+"=JTI=1", asJSON(around))
		f.Add(text, blue, "UPDATE", "apps", "deployments", "", "prod", "web", "", uint8(0), uint8(5), "robot", "", "deployers\ninjectors", "", asJSON(around))
	}
	f.Fuzz(func(t *testing.T, old, object []byte, op, group, resource, subresource, ns, name, manager string, user, shape uint8, login, uid, groups, extra string, around []byte) {
		req := &Request{
			User: dressed(users[int(user)%len(users)], login, uid, groups, extra), Operation: Operation(op), Subresource: subresource, Namespace: ns, Name: name, FieldManager: manager,
			Resource: schema.GroupVersionResource{Group: group, Version: "v1", Resource: resource}, Final: shape&8 != 0,
			Old: decoded(old), Object: decoded(object),
		}
		facts := &Facts{Now: noon(), Install: newScene().facts.Install, WindowsLive: shape&16 != 0, BreakGlass: Authorization(shape >> 5 & 3)}
		if shape&16 != 0 {
			facts.Windows = []Window{webWindow("oncall", noon().Add(time.Minute))}
		}
		surround(facts, around)
		p := policies[int(shape&7)%len(policies)]
		d := Decide(req, []*Policy{p}, facts)
		sanity(t, req, p, d)
		if again := Decide(req, []*Policy{p}, facts); !cmp.Equal(d, again) {
			t.Fatalf("the same question twice: %s", cmp.Diff(d, again))
		}
		bare := *req
		bare.User = User{Name: req.User.Name, Groups: req.User.Groups}
		if less := Decide(&bare, []*Policy{p}, facts); severity(less.Action) < severity(d.Action) {
			t.Fatalf("%s is %s %s, and %s %s by name alone", req.User.Name, d.Action, d.Class, less.Action, less.Class)
		}
		Diff(req.Old, req.Object, 50)
	})
}

// dressed is a user with what else was fuzzed: lines of groups, and of extra as key=value.
func dressed(u User, login, uid, groups, extra string) User {
	if login+uid+groups+extra == "" {
		return u
	}
	out := User{Name: login, UID: uid, Groups: strings.Fields(groups), Extra: map[string][]string{}}
	if login == "" {
		out.Name = u.Name
	}
	for line := range strings.Lines(extra) {
		key, value, has := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
		if out.Extra[key] = append(out.Extra[key], value); !has {
			out.Extra[key] = nil
		}
	}
	return out
}

// surround adds what the caller may have looked up.
func surround(facts *Facts, raw []byte) {
	around := decoded(raw)
	if labels, ok := around["labels"].(map[string]any); ok {
		facts.NamespaceLabels = map[string]string{}
		for key, value := range labels {
			facts.NamespaceLabels[key] = fmt.Sprint(value)
		}
	}
	if paths, ok := around["guarded"].([]any); ok {
		for _, path := range paths {
			facts.Guarded = append(facts.Guarded, fmt.Sprint(path))
		}
	}
	if pod, ok := around["pod"].(map[string]any); ok {
		facts.Pod = &PodFact{Found: pod["found"] == true, ServiceAccount: fmt.Sprint(pod["account"])}
	}
	facts.Parent, _ = around["parent"].(map[string]any)
}

func severity(a Action) int { return slices.Index([]Action{Allow, Flag, Deny}, a) }

// vouched asserts what a class takes for proof, written down once more.
func vouched(t *testing.T, u *User, p *Policy, d *Decision) {
	t.Helper()
	shows := func(key string) bool { return len(u.Extra[key]) > 0 && u.Extra[key][0] != "" }
	isAccount := strings.HasPrefix(u.Name, accountPrefix)
	pod := isAccount && u.UID != "" && shows(ExtraPodName) && shows(ExtraPodUID)
	byName := slices.ContainsFunc(p.Spec.Sync, func(id v1alpha1.SyncIdentity) bool {
		return id.User != "" && id.User == u.Name || id.Group != "" && slices.Contains(u.Groups, id.Group)
	})
	ok := true
	switch d.Class {
	case v1alpha1.ClassSync:
		ok = pod || byName || isAccount && shows(v1alpha1.ExtraSync)
	case v1alpha1.ClassOwn, v1alpha1.ClassController:
		ok = pod
	case v1alpha1.ClassSystem:
		ok = strings.HasPrefix(u.Name, "system:") && (shows(ExtraCredentialID) && (u.UID != "" || !isAccount) || u.UID != "" && !isAccount || strings.HasPrefix(u.Name, "system:bootstrap:"))
	case v1alpha1.ClassFinalizer, v1alpha1.ClassStatus:
		ok = isAccount
	}
	if !ok {
		t.Fatalf("class %s allows %+v", d.Class, u)
	}
}

// sanity asserts what must hold of any decision.
func sanity(t *testing.T, r *Request, p *Policy, d Decision) {
	t.Helper()
	proven := []v1alpha1.Class{v1alpha1.ClassOwn, v1alpha1.ClassSync, v1alpha1.ClassSystem}
	reads := []v1alpha1.Class{v1alpha1.ClassUnchanged, v1alpha1.ClassFinalizer, v1alpha1.ClassStatus, v1alpha1.ClassReview}
	named := []v1alpha1.Class{v1alpha1.ClassTrusted, v1alpha1.ClassController, v1alpha1.ClassOperation, v1alpha1.ClassUngoverned}
	if d.Action != Allow {
		if d.Reason == "" || d.Message == "" || d.Record == "" {
			t.Fatalf("%s without a reason, words or a record: %+v", d.Action, d)
		}
		return
	}
	vouched(t, &r.User, p, &d)
	if d.Missing != 0 || d.Opens != nil {
		t.Fatalf("an allow that asks or opens: %+v", d)
	}
	switch {
	case slices.Contains(proven, d.Class), d.Policy == "" && d.Class == v1alpha1.ClassUngoverned:
		return
	case slices.Contains(reads, d.Class):
		if r.Operation != Update || r.Old == nil || r.Object == nil {
			t.Fatalf("class %s without both objects", d.Class)
		}
	case !slices.Contains(named, d.Class):
		t.Fatalf("class %s allows", d.Class)
	}
	whole := !r.actsOnly() && r.carriesObject() && len(p.Spec.Trusted) == 0
	if whole && r.Old == nil && (r.Operation == Update || r.Operation == Delete) {
		t.Fatalf("class %s allows a %s whose old object is not shown", d.Class, r.Operation)
	}
	if !whole || r.Operation != Update && r.Operation != Delete {
		return
	}
	for _, v := range managedFields(r.Old) {
		e, ok := readEntry(v)
		if ok && e.fields == nil && p.declares(&e) && (d.Class == v1alpha1.ClassController || d.Class == v1alpha1.ClassUngoverned && d.Policy != "") {
			t.Fatalf("class %s allows what could not be read: %+v", d.Class, e)
		}
	}
}
