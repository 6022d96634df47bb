package policy

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

// aWay is a request that would make somebody a guarded identity, or would not.
type aWay struct {
	name   string
	target string
	why    string // "": none
	when   []tweak
}

func csrOf(user string, groups ...string) string {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: user, Organization: groups}}, key)
	if err != nil {
		panic(err)
	}
	return base64.StdEncoding.EncodeToString(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}))
}

func asksFor(signer, request string) []tweak {
	return []tweak{of("certificates.k8s.io", "v1", "certificatesigningrequests", "CertificateSigningRequest"), named("", "csr-1"),
		creates(`{metadata: {name: csr-1}, spec: {signerName: "` + signer + `", request: "` + request + `"}}`)}
}

func ways() []aWay {
	const becomesFlux = "is a way to become flux-system/kustomize-controller, a sync identity"
	inFlux := func(group, resource, kind, name string, more ...tweak) []tweak {
		return append([]tweak{of(group, "v1", resource, kind), named("flux-system", name)}, more...)
	}
	token := func(ns, account, options string) []tweak {
		return []tweak{of("", "v1", "serviceaccounts", "ServiceAccount"), named(ns, account), creates(options), sub("token")}
	}
	podAs := func(f *PodFact) tweak { return facts(func(x *Facts) { x.Pod = f }) }
	door := func(subresource string, f *PodFact) []tweak {
		return inFlux("", "pods", "Pod", "x", connects(subresource, `{}`), podAs(f))
	}
	flux := &PodFact{Found: true, ServiceAccount: "kustomize-controller"}
	workload := func(group, resource, kind, text string) []tweak {
		return inFlux(group, resource, kind, "x", creates(text))
	}
	binding := func(subject string) []tweak {
		return inFlux(rbacGroup, "rolebindings", "RoleBinding", "x", creates(`{subjects: [`+subject+`]}`))
	}
	const client = "kubernetes.io/kube-apiserver-client"
	proxyPath := func(p string) []tweak {
		return []tweak{of("", "v1", "nodes", "Node"), named("", "n1"), connects("proxy", `{path: "`+p+`"}`)}
	}
	const kubelet = "runs commands in any pod of the node, those of guarded accounts too"
	const unreadable = "asks for a client certificate whose subject can't be read"
	const csr = "certificates.k8s.io/CertificateSigningRequest csr-1"
	return []aWay{
		{"a token of the sync", "serviceaccounts/token flux-system/kustomize-controller", becomesFlux, token("flux-system", "kustomize-controller", `{spec: {}}`)},
		{"a token of a control-plane controller", "serviceaccounts/token kube-system/generic-garbage-collector", "is a way to become kube-system/generic-garbage-collector, a control-plane controller", token("kube-system", "generic-garbage-collector", `{spec: {}}`)},
		{"a token of a component", "serviceaccounts/token gitlatch-system/gitlatch-webhook", "is a way to become gitlatch-system/gitlatch-webhook, a component of Gitlatch", token("gitlatch-system", "gitlatch-webhook", `{spec: {}}`)},
		{"a token of a trusted identity", "serviceaccounts/token cert-manager/cert-manager-cainjector", "is a way to become cert-manager/cert-manager-cainjector, a trusted identity", token("cert-manager", "cert-manager-cainjector", `{spec: {}}`)},
		{"a token bound to any pod", "serviceaccounts/token prod/app", "asks for a token that is bound to a pod, which is the proof of a controller", token("prod", "app", `{spec: {boundObjectRef: {kind: Pod, name: x}}}`)},
		{"a token bound to a pod, in other letters", "serviceaccounts/token prod/app", "asks for a token that is bound to a pod, which is the proof of a controller", token("prod", "app", `{spec: {boundObjectRef: {kind: POD}}}`)},
		{"a plain token of an ordinary account", "", "", token("prod", "app", `{spec: {}}`)},
		{"a token bound to a Secret", "", "", token("prod", "app", `{spec: {boundObjectRef: {kind: Secret, name: x}}}`)},
		{"exec into its pod", "pods/exec flux-system/x", becomesFlux, door("exec", flux)},
		{"attach to its pod", "pods/attach flux-system/x", becomesFlux, door("attach", flux)},
		{"port-forward to its pod", "pods/portforward flux-system/x", becomesFlux, door("portforward", flux)},
		{"proxy to its pod", "pods/proxy flux-system/x", becomesFlux, door("proxy", flux)},
		{"exec into another pod", "", "", door("exec", &PodFact{Found: true, ServiceAccount: "app"})},
		{"exec into a pod that is not there", "", "", door("exec", &PodFact{})},
		{"exec into a pod of the account that has no name", "", "", door("exec", &PodFact{Found: true})},
		{"a debug container in its pod", "pods/ephemeralcontainers flux-system/x", becomesFlux, inFlux("", "pods", "Pod", "x", objects(`{spec: {serviceAccountName: kustomize-controller}}`), sub("ephemeralcontainers"), set("spec|ephemeralContainers", []any{"x"}))},
		{"a pod that names it", "Pod flux-system/x", becomesFlux, workload("", "pods", "Pod", `{spec: {serviceAccountName: kustomize-controller}}`)},
		{"a pod that names it by the deprecated field", "Pod flux-system/x", becomesFlux, workload("", "pods", "Pod", `{spec: {serviceAccount: kustomize-controller}}`)},
		{"a pod that names another", "", "", workload("", "pods", "Pod", `{spec: {serviceAccountName: app}}`)},
		{"a pod that names it in another namespace", "", "", append(workload("", "pods", "Pod", `{spec: {serviceAccountName: kustomize-controller}}`), named("prod", "x"))},
		{"another image in its pod", "Pod flux-system/x", becomesFlux, inFlux("", "pods", "Pod", "x", objects(`{spec: {serviceAccountName: kustomize-controller}}`), set("spec|containers", []any{"evil"}))},
		{"a label on its pod", "", "", inFlux("", "pods", "Pod", "x", objects(`{spec: {serviceAccountName: kustomize-controller}}`), set("metadata|labels|x", "y"))},
		{"the deletion of its pod", "", "", inFlux("", "pods", "Pod", "x", objects(`{spec: {serviceAccountName: kustomize-controller}}`), deletes)},
		{"a Deployment of it", "apps/Deployment flux-system/x", becomesFlux, workload("apps", "deployments", "Deployment", `{spec: {template: {spec: {serviceAccountName: kustomize-controller}}}}`)},
		{"a Job of it", "batch/Job flux-system/x", becomesFlux, workload("batch", "jobs", "Job", `{spec: {template: {spec: {serviceAccountName: kustomize-controller}}}}`)},
		{"a CronJob of it", "batch/CronJob flux-system/x", becomesFlux, workload("batch", "cronjobs", "CronJob", `{spec: {jobTemplate: {spec: {template: {spec: {serviceAccountName: kustomize-controller}}}}}}`)},
		{"a ReplicationController of it", "ReplicationController flux-system/x", becomesFlux, workload("", "replicationcontrollers", "ReplicationController", `{spec: {template: {spec: {serviceAccountName: kustomize-controller}}}}`)},
		{"a PodTemplate of it", "PodTemplate flux-system/x", becomesFlux, workload("", "podtemplates", "PodTemplate", `{template: {spec: {serviceAccountName: kustomize-controller}}}`)},
		{"a ControllerRevision of it", "apps/ControllerRevision flux-system/x", becomesFlux, workload("apps", "controllerrevisions", "ControllerRevision", `{data: {spec: {template: {spec: {serviceAccountName: kustomize-controller}}}}}`)},
		{"its Deployment takes another account", "apps/Deployment flux-system/x", becomesFlux, inFlux("apps", "deployments", "Deployment", "x", objects(`{spec: {template: {spec: {serviceAccountName: kustomize-controller}}}}`), set("spec|template|spec|serviceAccountName", "app"))},
		{"a Deployment takes its account", "apps/Deployment flux-system/x", becomesFlux, inFlux("apps", "deployments", "Deployment", "x", objects(`{spec: {template: {spec: {serviceAccountName: app}}}}`), set("spec|template|spec|serviceAccountName", "kustomize-controller"))},
		{"a label on its Deployment", "", "", inFlux("apps", "deployments", "Deployment", "x", objects(`{spec: {template: {spec: {serviceAccountName: kustomize-controller}}}}`), set("metadata|labels|x", "y"))},
		{"its ServiceAccount", "ServiceAccount flux-system/kustomize-controller", becomesFlux, inFlux("", "serviceaccounts", "ServiceAccount", "kustomize-controller", objects(`{metadata: {}}`), set("metadata|labels|x", "y"))},
		{"another ServiceAccount", "", "", inFlux("", "serviceaccounts", "ServiceAccount", "app", objects(`{metadata: {}}`), set("metadata|labels|x", "y"))},
		{"a token Secret of it", "Secret flux-system/x", becomesFlux, workload("", "secrets", "Secret", `{type: kubernetes.io/service-account-token, metadata: {annotations: {kubernetes.io/service-account.name: kustomize-controller}}}`)},
		{"a Secret that becomes one of it", "Secret flux-system/x", becomesFlux, inFlux("", "secrets", "Secret", "x", objects(`{type: kubernetes.io/service-account-token}`), set("metadata|annotations|kubernetes.io/service-account.name", "kustomize-controller"))},
		{"an opaque Secret with the annotation", "", "", workload("", "secrets", "Secret", `{type: Opaque, metadata: {annotations: {kubernetes.io/service-account.name: kustomize-controller}}}`)},
		{"a binding of it", "rbac.authorization.k8s.io/RoleBinding flux-system/x", becomesFlux, binding(`{kind: ServiceAccount, namespace: flux-system, name: kustomize-controller}`)},
		{"a binding of it without a namespace", "rbac.authorization.k8s.io/RoleBinding flux-system/x", becomesFlux, binding(`{kind: ServiceAccount, name: kustomize-controller}`)},
		{"a binding of its user name", "rbac.authorization.k8s.io/RoleBinding flux-system/x", becomesFlux, binding(`{kind: User, name: "system:serviceaccount:flux-system:kustomize-controller"}`)},
		{"a binding of a sync user", "rbac.authorization.k8s.io/RoleBinding flux-system/x", "is a way to become robot", binding(`{kind: User, name: robot}`)},
		{"a binding of a sync group", "rbac.authorization.k8s.io/RoleBinding flux-system/x", "is a way to become deployers", binding(`{kind: Group, name: deployers}`)},
		{"a binding of a trusted group", "rbac.authorization.k8s.io/RoleBinding flux-system/x", "is a way to become injectors", binding(`{kind: Group, name: injectors}`)},
		{"a binding of it among others", "rbac.authorization.k8s.io/RoleBinding flux-system/x", becomesFlux, binding(`"garbage", {kind: User, name: alice}, {kind: ServiceAccount, name: kustomize-controller}`)},
		{"a binding of alice", "", "", binding(`{kind: User, name: alice}`)},
		{"a Role", "", "", workload(rbacGroup, "roles", "Role", `{rules: []}`)},
		{"the kubelet's exec", "nodes/proxy n1", kubelet, proxyPath("exec/flux-system/x/c")},
		{"the kubelet's run, by a detour", "nodes/proxy n1", kubelet, proxyPath("/metrics/../run/flux-system/x/c")},
		{"the kubelet's attach", "nodes/proxy n1", kubelet, proxyPath("//attach/flux-system/x")},
		{"the kubelet's metrics", "", "", proxyPath("metrics/cadvisor")},
		{"the proxy of a Service beside the sync", "services/proxy flux-system/x", "may reach a pod of flux-system/kustomize-controller, a sync identity", inFlux("", "services", "Service", "x", connects("proxy", `{}`))},
		{"the proxy of a Service beside Gitlatch", "services/proxy gitlatch-system/x", "may reach a component of Gitlatch", append(inFlux("", "services", "Service", "x", connects("proxy", `{}`)), named("gitlatch-system", "x"))},
		{"the proxy of another Service", "", "", append(inFlux("", "services", "Service", "x", connects("proxy", `{}`)), named("prod", "x"))},
		{"a certificate of a control-plane user", csr, "is a way to become system:kube-controller-manager by a client certificate", asksFor(client, csrOf("system:kube-controller-manager"))},
		{"a certificate of a node", csr, "is a way to become system:node:n1 by a client certificate", asksFor("kubernetes.io/kube-apiserver-client-kubelet", csrOf("system:node:n1", "system:nodes"))},
		{"a certificate of a group of the system", csr, "is a way to become alice by a client certificate", asksFor(client, csrOf("alice", "devs", "system:masters"))},
		{"a certificate of a sync user", csr, "is a way to become robot by a client certificate", asksFor(client, csrOf("robot"))},
		{"a certificate of a sync group", csr, "is a way to become alice by a client certificate", asksFor(client, csrOf("alice", "deployers"))},
		{"a certificate in no base64", csr, unreadable, asksFor(client, "!")},
		{"a certificate request that is none", csr, unreadable, asksFor(client, "aGVsbG8=")},
		{"a certificate of alice", "", "", asksFor(client, csrOf("alice", "devs"))},
		{"a certificate for serving", "", "", asksFor("kubernetes.io/kubelet-serving", csrOf("system:node:n1", "system:nodes"))},
		{"the approval of one", "certificates.k8s.io/certificatesigningrequests/approval csr-1", "is a way to become system:node:n1 by a client certificate",
			append(asksFor(client, csrOf("system:node:n1")), func(s *scene) { s.req.Operation, s.req.Subresource, s.req.Old = Update, "approval", s.req.Object }, set("status", "approved"))},
	}
}

// withOthers adds a sync user, a sync group and trusted identities.
func withOthers(s *scene) {
	s.spec.Sync = append(s.spec.Sync,
		v1alpha1.SyncIdentity{Subject: v1alpha1.Subject{User: "robot"}, FieldManagers: []string{"robot"}},
		v1alpha1.SyncIdentity{Subject: v1alpha1.Subject{Group: "deployers"}, FieldManagers: []string{"robot"}})
	injects("spec.caBundle")(s)
	t := s.spec.Trusted[0]
	t.Subject = v1alpha1.Subject{Group: "injectors"}
	s.spec.Trusted = append(s.spec.Trusted, t)
}

func TestWaysToBecomeAnother(t *testing.T) {
	for _, w := range ways() {
		for _, u := range []User{alice(), admin(), operatorPod(), pipeline(), posing(fluxPod()), injector()} {
			t.Run(w.name+" by "+u.Name, func(t *testing.T) {
				got := newScene(append([]tweak{withOthers, by(u)}, w.when...)...).decide(t)
				if w.why == "" {
					if got.Class == v1alpha1.ClassCredential {
						t.Errorf("class credential: %s", got.Message)
					}
					return
				}
				want := denied(v1alpha1.ClassCredential, v1alpha1.ReasonCredential, w.target+" "+w.why)
				got.Emergency = nil // admin has one for what is built in, and windows to ask for
				if got.Policy == "" {
					want.Policy, got.Missing = "", 0
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("decision (-want +got):\n%s", diff)
				}
			})
		}
		for _, u := range []User{fluxPod(), gc(), node()} {
			t.Run(w.name+" by "+u.Name, func(t *testing.T) {
				if got := newScene(append([]tweak{withOthers, by(u)}, w.when...)...).decide(t); got.Class == v1alpha1.ClassCredential || got.Action != Allow {
					t.Errorf("%s %s: %s", got.Action, got.Class, got.Message)
				}
			})
		}
	}
}

// An identity that a policy lets through counts wherever it was come by, so the
// ways to it are guarded whatever the policy matches; nothing else there is.
func TestWaysAreGuardedWhateverThePolicyMatches(t *testing.T) {
	elsewhere := []tweak{
		spec(func(s *v1alpha1.ChangePolicySpec) {
			s.Match.Resources = []v1alpha1.ResourceRule{{APIGroups: []string{"example"}, Resources: []string{"widgets"}}}
		}),
		spec(func(s *v1alpha1.ChangePolicySpec) {
			s.Match.ExcludeNamespaces = []string{"flux-system", "kube-system", "cert-manager", "prod", "ops"}
			s.Match.ExcludeResources = []v1alpha1.ResourceRule{{APIGroups: []string{"certificates.k8s.io", rbacGroup}, Resources: []string{"*"}}}
		}),
	}
	for _, w := range ways() {
		for i, match := range elsewhere {
			for _, u := range []User{alice(), operatorPod()} {
				t.Run(fmt.Sprintf("%s by %s, match %d", w.name, u.Name, i), func(t *testing.T) {
					s := newScene(append([]tweak{withOthers, match, by(u)}, w.when...)...)
					if got := s.decide(t); (got.Class == v1alpha1.ClassCredential) != (w.why != "") {
						t.Errorf("%s %s: %s", got.Action, got.Class, got.Message)
					}
				})
			}
			t.Run(fmt.Sprintf("%s by the sync, match %d", w.name, i), func(t *testing.T) {
				if got := newScene(append([]tweak{withOthers, match, by(fluxPod())}, w.when...)...).decide(t); got.Action != Allow {
					t.Errorf("%s %s: %s", got.Action, got.Class, got.Message)
				}
			})
		}
	}
}

// A window lets the emergency through, not the forgery inside it.
func TestForgingAWayIsForging(t *testing.T) {
	open := Window{Record: "cr-1", User: "oncall", Scope: v1alpha1.WindowNamespace, Namespace: "flux-system", Reason: incident, Until: noon().Add(time.Minute)}
	inWindow := []tweak{by(oncall()), facts(authorized), windows(open), named("flux-system", "kustomize-controller"),
		both("spec|template|spec|serviceAccountName", "kustomize-controller"), image}
	if got := newScene(inWindow...).decide(t); got.Action != Flag || got.Class != v1alpha1.ClassBreakGlass {
		t.Errorf("an honest edit: %s %s: %s", got.Action, got.Class, got.Message)
	}
	for name, forge := range map[string]tweak{
		"the sync's manager": manager("kustomize-controller"),
		"a mark":             set("metadata|labels|kustomize.toolkit.fluxcd.io/name", "mine"),
	} {
		if got := newScene(append(inWindow, forge)...).decide(t); got.Action != Deny || got.Reason != v1alpha1.ReasonForged {
			t.Errorf("%s: %s %s: %s", name, got.Action, got.Reason, got.Message)
		}
	}
}

// The items of a set are values, which no message shows.
func TestAForgedSetShowsNoValue(t *testing.T) {
	s := newScene(both("spec|tokens", []any{"hunter2"}), func(s *scene) {
		for _, o := range []map[string]any{s.req.Old, s.req.Object} {
			managedFields(o)[0].(map[string]any)["fieldsV1"].(map[string]any)["f:spec"].(map[string]any)["f:tokens"] = map[string]any{`v:"hunter2"`: map[string]any{}}
		}
		delete(managedFields(s.req.Object)[0].(map[string]any)["fieldsV1"].(map[string]any)["f:spec"].(map[string]any), "f:tokens")
	})
	got := s.decide(t)
	if want := "apps/Deployment prod/web has managedFields of a sync identity that this request changes (.spec.tokens)"; got.Message != want {
		t.Errorf("got %q, want %q", got.Message, want)
	}
}

func TestAccountsCalledDefaultAreGuardedToo(t *testing.T) {
	def := spec(func(s *v1alpha1.ChangePolicySpec) {
		s.Sync[0].ServiceAccount = &v1alpha1.Account{Namespace: "prod", Name: "default"}
	})
	const why = "is a way to become prod/default, a sync identity"
	for name, when := range map[string][]tweak{
		"Pod prod/x":                         {of("", "v1", "pods", "Pod"), named("prod", "x"), creates(`{spec: {}}`)},
		"apps/Deployment prod/web":           {creates(`{spec: {template: {spec: {}}}}`)},
		"pods/exec prod/x":                   {of("", "v1", "pods", "Pod"), named("prod", "x"), connects("exec", `{}`), facts(func(f *Facts) { f.Pod = &PodFact{Found: true} })},
		"serviceaccounts/token prod/default": {of("", "v1", "serviceaccounts", "ServiceAccount"), named("prod", "default"), creates(`{}`), sub("token")},
	} {
		want := denied(v1alpha1.ClassCredential, v1alpha1.ReasonCredential, name+" "+why)
		if diff := cmp.Diff(want, newScene(append([]tweak{def}, when...)...).decide(t)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func credentialCases() []ruleCase {
	exec := []tweak{of("", "v1", "pods", "Pod"), named("flux-system", "x"), connects("exec", `{}`)}
	const why = "pods/exec flux-system/x "
	pod := func(account string) tweak {
		return facts(func(f *Facts) { f.Pod = &PodFact{Found: true, ServiceAccount: account} })
	}
	w := Window{Record: "cr-1", User: "oncall", Scope: v1alpha1.WindowObject, Resource: "pods", Namespace: "flux-system", Name: "x", Until: noon().Add(1)}
	return []ruleCase{
		{name: "alice execs into the sync's pod", when: append(exec, pod("kustomize-controller")), fits: true,
			want: denied(v1alpha1.ClassCredential, v1alpha1.ReasonCredential, why+"is a way to become flux-system/kustomize-controller, a sync identity")},
		{name: "under Audit it is recorded", when: append(exec, pod("kustomize-controller"), mode(v1alpha1.ModeAudit)), fits: true,
			want: denied(v1alpha1.ClassCredential, v1alpha1.ReasonCredential, why+"is a way to become flux-system/kustomize-controller, a sync identity", recordedOnly(v1alpha1.ModeAudit))},
		{name: "whose pod it is was not looked up", when: exec, fits: true,
			want: denied(v1alpha1.ClassCredential, v1alpha1.ReasonCredential, why+"may be a pod of a guarded account, which could not be told", missing(NeedPod))},
		{name: "oncall execs into it inside a window", when: append(exec, pod("kustomize-controller"), by(oncall()), facts(authorized), windows(w)), fits: true,
			want: broken(why+"is changed under break-glass", &w)},
		{name: "oncall without a window", when: append(exec, pod("kustomize-controller"), by(oncall())), fits: true,
			want: denied(v1alpha1.ClassCredential, v1alpha1.ReasonCredential, why+"is a way to become flux-system/kustomize-controller, a sync identity", emergency, missing(NeedWindows))},
		{name: "alice execs into an ordinary pod", when: append(exec, pod("app")), want: flagged(v1alpha1.ClassOperation, v1alpha1.ReasonOperation, why+"is an open door into a running pod, which this policy flags")},
		{name: "the sync's own pod asks for a token", when: []tweak{by(fluxPod()), of("", "v1", "serviceaccounts", "ServiceAccount"), named("flux-system", "kustomize-controller"), creates(`{}`), sub("token")}, want: allowed(v1alpha1.ClassSync)},
		{name: "a node asks for its pod's token", when: []tweak{by(node()), of("", "v1", "serviceaccounts", "ServiceAccount"), named("flux-system", "kustomize-controller"), creates(`{spec: {boundObjectRef: {kind: Pod}}}`), sub("token")}, want: allowed(v1alpha1.ClassSystem)},
	}
}
