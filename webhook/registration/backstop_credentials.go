package registration

import (
	"fmt"
	"strings"

	admissionv1 "k8s.io/api/admissionregistration/v1"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/policy"
)

/*
Ways to become somebody, as far as the request itself shows them: whose pod an exec goes
to is not in it, nor can CEL read a certificate request. Those are left to the webhook.
*/

// credentialValidation holds for every policy in Enforce, whatever it matches, and for
// pod-bound controllers too.
func (b *backstop) credentialValidation(enforced []*policy.Policy) admissionv1.Validation {
	g := &guardedNames{}
	for _, p := range enforced {
		g.add(p)
	}
	g.system(&b.o.Install)
	outside := b.outside("outsideCredential", "credential", allOf(not(b.own()), not(b.synced()), b.becomes(g), not(b.entrusted(enforced))))
	return validation(outside, anyOf(b.glassFor(glassGroups(enforced)), allOf(b.birth(), b.glassFor(b.builtInGroups()))),
		"Credential: this is a way to become an identity that the gate lets through", "change it in git")
}

// guardedNames are who is guarded: accounts as "namespace/name".
type guardedNames struct {
	accounts, homes, users, groups, syncHomes []string
}

func (g *guardedNames) add(p *policy.Policy) {
	var subjects []v1alpha1.Subject
	for i := range p.Spec.Sync {
		subjects = append(subjects, p.Spec.Sync[i].Subject)
		if a := p.Spec.Sync[i].ServiceAccount; a != nil {
			g.syncHomes = append(g.syncHomes, a.Namespace)
		}
	}
	for i := range p.Spec.Trusted {
		subjects = append(subjects, p.Spec.Trusted[i].Subject)
	}
	for _, s := range subjects {
		switch {
		case s.ServiceAccount != nil:
			g.account(s.ServiceAccount.Namespace, s.ServiceAccount.Name)
		case s.User != "":
			g.users = append(g.users, s.User)
		case s.Group != "":
			g.groups = append(g.groups, s.Group)
		}
	}
}

// system adds who is guarded under every policy.
func (g *guardedNames) system(in *policy.Installation) {
	for _, name := range policy.ControlPlaneAccounts() {
		g.account("kube-system", name)
	}
	for _, name := range []string{in.Webhook, in.Applier, in.Reporter} {
		if name != "" {
			g.account(in.Namespace, name)
		}
	}
	g.syncHomes = sorted(append(g.syncHomes, in.Namespace))
	g.accounts, g.homes, g.users, g.groups = sorted(g.accounts), sorted(g.homes), sorted(g.users), sorted(g.groups)
}

func (g *guardedNames) account(namespace, name string) {
	g.accounts = append(g.accounts, namespace+"/"+name)
	g.homes = append(g.homes, namespace)
	g.users = append(g.users, accountPrefix+namespace+":"+name)
}

func (b *backstop) becomes(g *guardedNames) string {
	guarded := func(name string) string { return "(" + celNamespace + ` + "/" + ` + name + " in variables.accounts)" }
	quoted := make([]string, len(g.accounts))
	for i, a := range g.accounts {
		quoted[i] = quote(a)
	}
	b.let("accounts", "["+strings.Join(quoted, ", ")+"]")
	written := anyOf(b.operation("CREATE"), b.operation("UPDATE"))
	return anyOf(
		allOf(isKind("", "serviceaccounts"), anyOf(guarded(b.name()),
			allOf("("+b.sub()+` == "token")`, "("+text(b.child("now", "spec", "boundObjectRef"), "kind")+`.lowerAscii() == "pod")`))),
		allOf(isKind("", "secrets"), anyOf(tokenOf(b, "was", guarded), tokenOf(b, "now", guarded))),
		b.subjects(g),
		b.proxies(g),
		allOf(among(celNamespace, g.homes), anyOf(
			allOf(isKind("", "pods"), written, "("+b.sub()+` == "")`, runsAs(b.child("was", "spec"), b.child("now", "spec"), guarded)),
			allOf(isKind("", "pods"), "("+b.sub()+` == "ephemeralcontainers")`, `"spec" in `+b.child("now"), guarded(accountOf(b.child("now", "spec")))),
			allOf(anyOf(among(celGroup, []string{"apps", "batch"}), among(celKind, []string{"/replicationcontrollers", "/podtemplates"})),
				written, "("+b.sub()+` == "")`, runsAs(b.template("was"), b.template("now"), guarded)),
		)),
	)
}

// tokenOf: a Secret that holds a token of a guarded account.
func tokenOf(b *backstop, side string, guarded func(string) string) string {
	return allOf("("+text(b.child(side), "type")+` == "kubernetes.io/service-account-token")`,
		guarded(text(b.child(side, "metadata", "annotations"), "kubernetes.io/service-account.name")))
}

func accountOf(spec string) string {
	name, deprecated := text(spec, "serviceAccountName"), text(spec, "serviceAccount")
	return fmt.Sprintf(`(%[1]s != "" ? %[1]s : %[2]s != "" ? %[2]s : "default")`, name, deprecated)
}

// runsAs: the pod's spec names a guarded account, or did, and differs.
func runsAs(was, now string, guarded func(string) string) string {
	return allOf("(size("+now+") > 0)", "("+now+" != "+was+")",
		anyOf(guarded(accountOf(now)), allOf("(size("+was+") > 0)", guarded(accountOf(was)))))
}

// template is the spec of a workload's pods, wherever the kind has it.
func (b *backstop) template(side string) string {
	expression := "dyn({})"
	for _, way := range [][]string{
		{"data", "spec", "template", "spec"}, {"template", "spec"},
		{"spec", "jobTemplate", "spec", "template", "spec"}, {"spec", "template", "spec"},
	} {
		spec := b.child(side, way...)
		expression = fmt.Sprintf("size(%[1]s) > 0 ? %[1]s : %[2]s", spec, expression)
	}
	return b.let(side+"PodTemplate", expression)
}

// subjects: a role binding that names somebody guarded.
func (b *backstop) subjects(g *guardedNames) string {
	name := text("s", "name")
	namespace := fmt.Sprintf(`(%[1]s != "" ? %[1]s : %[2]s)`, text("s", "namespace"), celNamespace)
	who := anyOf(
		allOf("("+text("s", "kind")+` == "ServiceAccount")`, "("+namespace+` + "/" + `+name+" in variables.accounts)"),
		allOf("("+text("s", "kind")+` == "User")`, among(name, g.users)),
		allOf("("+text("s", "kind")+` == "Group")`, among(name, g.groups)),
	)
	of := func(side string) string {
		return list(b.child(side), "subjects") + ".exists(s, type(s) == map && " + who + ")"
	}
	return allOf(among(celKind, []string{"rbac.authorization.k8s.io/rolebindings", "rbac.authorization.k8s.io/clusterrolebindings"}),
		b.let("subjects", anyOf(of("was"), of("now"))))
}

// proxies: a Service in whose namespace somebody guarded runs, and what of a node does
// more than read. A path that goes back up is left to the webhook, which cleans it.
func (b *backstop) proxies(g *guardedNames) string {
	reads := []string{
		"metrics", "healthz", "stats", "logs", "containerLogs", "pods", "runningpods", "configz", "spec", "checkpoint", "flagz", "statusz",
	}
	steps := b.let("steps", text(b.child("now"), "path")+`.split("/").filter(s, s != "" && s != ".")`)
	return allOf("("+b.sub()+` == "proxy")`, anyOf(
		allOf(isKind("", "services"), among(celNamespace, g.syncHomes)),
		allOf(isKind("", "nodes"), "(size("+steps+") > 0)", not(`".." in `+steps), not(among(steps+"[0]", reads))),
	))
}
