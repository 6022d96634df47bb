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
	everybodys, trusted := guardedBy(&b.o.Install, enforced)
	outside := b.outside("outsideCredential", "credential", allOf(not(b.own()), not(b.synced()), anyOf(
		b.becomes(everybodys),
		b.boundToPod(),
		b.proxies(everybodys),
		allOf(b.becomes(trusted), anyOf(b.birth(), not(b.entrusted(enforced)))),
	)))
	return validation(outside, anyOf(b.glassFor(glassGroups(enforced)), allOf(b.birth(), b.glassFor(b.builtInGroups()))),
		"Credential: this is a way to become an identity that the gate lets through", "change it in git")
}

// guardedNames are who is guarded: accounts as "namespace/name", and all accounts of the
// namespaces in whole.
type guardedNames struct {
	name                                             string
	accounts, whole, homes, users, groups, syncHomes []string
}

// guardedBy are those who are guarded from everybody, and the trusted, whom a platform keeps.
func guardedBy(in *policy.Installation, policies []*policy.Policy) (everybodys, trusted *guardedNames) {
	everybodys, trusted = &guardedNames{name: "guarded"}, &guardedNames{name: "trusted"}
	for _, p := range policies {
		for i := range p.Spec.Sync {
			s := &p.Spec.Sync[i].Subject
			everybodys.add(s)
			if s.ServiceAccount != nil {
				everybodys.syncHomes = append(everybodys.syncHomes, s.ServiceAccount.Namespace)
			}
		}
		for i := range p.Spec.Trusted {
			trusted.add(&p.Spec.Trusted[i].Subject)
		}
	}
	for _, name := range policy.ControlPlaneAccounts() {
		everybodys.account("kube-system", name)
	}
	for _, name := range []string{in.Webhook, in.Applier, in.Reporter} {
		if name != "" {
			everybodys.account(in.Namespace, name)
		}
	}
	everybodys.syncHomes = append(everybodys.syncHomes, in.Namespace)
	return everybodys, trusted
}

func (g *guardedNames) add(s *v1alpha1.Subject) {
	switch {
	case s.ServiceAccount != nil:
		g.account(s.ServiceAccount.Namespace, s.ServiceAccount.Name)
	case s.User != "":
		g.users = append(g.users, s.User)
	case s.Group != "":
		g.groups = append(g.groups, s.Group)
		if namespace, ok := strings.CutPrefix(s.Group, "system:serviceaccounts:"); ok {
			g.whole, g.homes = append(g.whole, namespace), append(g.homes, namespace)
		}
	}
}

func (g *guardedNames) account(namespace, name string) {
	g.accounts = append(g.accounts, namespace+"/"+name)
	g.homes = append(g.homes, namespace)
	g.users = append(g.users, accountPrefix+namespace+":"+name)
}

func (b *backstop) becomes(g *guardedNames) string {
	accounts, whole := b.set(g.name+"Accounts", g.accounts), b.set(g.name+"Whole", g.whole)
	account := func(namespace, name string) string {
		return anyOf(accounts("("+namespace+` + "/" + `+name+")"), whole(namespace))
	}
	guarded := func(name string) string { return account(celNamespace, name) }
	written := anyOf(b.operation("CREATE"), b.operation("UPDATE"))
	return anyOf(
		allOf(isKind("", "serviceaccounts"), guarded(b.name())),
		allOf(isKind("", "secrets"), anyOf(tokenOf(b, "was", guarded), tokenOf(b, "now", guarded))),
		b.subjects(g, account),
		allOf(b.set(g.name+"Homes", g.homes)(celNamespace), anyOf(
			allOf(isKind("", "pods"), written, "("+b.sub()+` == "")`, runsAs(b.child("was", "spec"), b.child("now", "spec"), guarded)),
			allOf(isKind("", "pods"), "("+b.sub()+` == "ephemeralcontainers")`, `"spec" in `+b.child("now"), guarded(accountOf(b.child("now", "spec")))),
			allOf(anyOf(among(celGroup, []string{"apps", "batch"}), among(celKind, []string{"/replicationcontrollers", "/podtemplates"})),
				written, "("+b.sub()+` == "")`, runsAs(b.template("was"), b.template("now"), guarded)),
		)),
	)
}

// boundToPod: a token that is bound to a pod, the proof of a controller, whoever asks for
// it and whosever it is.
func (b *backstop) boundToPod() string {
	return allOf(isKind("", "serviceaccounts"), "("+b.sub()+` == "token")`,
		"("+text(b.child("now", "spec", "boundObjectRef"), "kind")+`.lowerAscii() == "pod")`)
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
func (b *backstop) subjects(g *guardedNames, account func(namespace, name string) string) string {
	name := text("s", "name")
	namespace := fmt.Sprintf(`(%[1]s != "" ? %[1]s : %[2]s)`, text("s", "namespace"), celNamespace)
	who := anyOf(
		allOf("("+text("s", "kind")+` == "ServiceAccount")`, account(namespace, name)),
		allOf("("+text("s", "kind")+` == "User")`, b.set(g.name+"Users", g.users)(name)),
		allOf("("+text("s", "kind")+` == "Group")`, b.set(g.name+"Groups", g.groups)(name)),
	)
	of := func(side string) string {
		return list(b.child(side), "subjects") + ".exists(s, type(s) == map && " + who + ")"
	}
	return allOf(among(celKind, []string{"rbac.authorization.k8s.io/rolebindings", "rbac.authorization.k8s.io/clusterrolebindings"}),
		b.let(g.name+"Subjects", anyOf(of("was"), of("now"))))
}

// proxies: a Service in whose namespace somebody guarded runs, and what of a node does
// more than read. A path that goes back up is left to the webhook, which cleans it.
func (b *backstop) proxies(g *guardedNames) string {
	steps := b.let("steps", text(b.child("now"), "path")+`.split("/").filter(s, s != "" && s != ".")`)
	return allOf("("+b.sub()+` == "proxy")`, anyOf(
		allOf(isKind("", "services"), b.set("syncHomes", g.syncHomes)(celNamespace)),
		allOf(isKind("", "nodes"), "(size("+steps+") > 0)", not(`".." in `+steps), not(among(steps+"[0]", policy.KubeletReads()))),
	))
}
