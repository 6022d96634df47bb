package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/policy"
)

// guardName is the name of the policy and of its binding. Names with this ending are
// for files only: the API server refuses to store one.
// Source: k8s.io/apiserver/pkg/admission/plugin/manifest, StaticConfigSuffix.
const guardName = "gitlatch.static.k8s.io"

const accountPrefix = "system:serviceaccount:"

// injectAnnotation begins the annotation of configurations whose CA bundle cert-manager injects.
// Source: https://cert-manager.io/docs/concepts/ca-injector/
const injectAnnotation = "cert-manager.io/inject-ca-from"

// staticGuard is what the files are made from.
type staticGuard struct {
	path     string   // on the control-plane nodes
	groups   []string // who may switch the gate off
	injector string   // the user name of the CA injector; empty: none
	install  policy.Installation
}

// policy leaves Gitlatch's own configuration to Gitlatch. Its expressions are total, and
// the groups come first: whatever the rest says, or fails to say, they may.
func (g *staticGuard) policy() *admissionv1.ValidatingAdmissionPolicy {
	rule := admissionv1.NamedRuleWithOperations{RuleWithOperations: admissionv1.RuleWithOperations{
		Operations: []admissionv1.OperationType{admissionv1.Create, admissionv1.Update, admissionv1.Delete},
		Rule: admissionv1.Rule{
			APIGroups: []string{admissionv1.GroupName}, APIVersions: []string{"*"},
			Resources: []string{"mutatingwebhookconfigurations", "validatingwebhookconfigurations",
				"validatingadmissionpolicies", "validatingadmissionpolicybindings"},
		},
	}}
	allowed := []string{"variables.switcher", "variables.gitlatch", "variables.unchanged"}
	if g.injector != "" {
		allowed = append(allowed, "variables.injected")
	}
	return &admissionv1.ValidatingAdmissionPolicy{
		TypeMeta:   metav1.TypeMeta{APIVersion: admissionv1.SchemeGroupVersion.String(), Kind: "ValidatingAdmissionPolicy"},
		ObjectMeta: metav1.ObjectMeta{Name: guardName},
		Spec: admissionv1.ValidatingAdmissionPolicySpec{
			FailurePolicy: ptr.To(admissionv1.Fail),
			MatchConstraints: &admissionv1.MatchResources{
				MatchPolicy:   ptr.To(admissionv1.Equivalent),
				ResourceRules: []admissionv1.NamedRuleWithOperations{rule},
			},
			MatchConditions: []admissionv1.MatchCondition{{Name: "of-gitlatch", Expression: ofGitlatch()}},
			Variables:       g.variables(),
			Validations: []admissionv1.Validation{{
				Expression:        strings.Join(allowed, " || "),
				Message:           "It is Gitlatch's own. " + g.advice(),
				MessageExpression: `request.resource.resource + " of Gitlatch are changed by Gitlatch alone, not by " + (has(request.userInfo.username) ? request.userInfo.username : "anybody else") + ". ` + g.advice() + `"`,
				Reason:            ptr.To(metav1.StatusReasonForbidden),
			}},
		},
	}
}

// advice ends the denial: what to do in an emergency.
func (g *staticGuard) advice() string {
	return "A file of the control plane says so. In an emergency the gate is switched off (kubectl gitlatch off) by the groups: " +
		escaped(strings.Join(g.groups, ", "))
}

// binding denies, and says so in the API server's audit log.
func (g *staticGuard) binding() *admissionv1.ValidatingAdmissionPolicyBinding {
	return &admissionv1.ValidatingAdmissionPolicyBinding{
		TypeMeta:   metav1.TypeMeta{APIVersion: admissionv1.SchemeGroupVersion.String(), Kind: "ValidatingAdmissionPolicyBinding"},
		ObjectMeta: metav1.ObjectMeta{Name: guardName},
		Spec: admissionv1.ValidatingAdmissionPolicyBindingSpec{
			PolicyName:        guardName,
			ValidationActions: []admissionv1.ValidationAction{admissionv1.Deny, admissionv1.Audit},
		},
	}
}

// ofGitlatch: the object, before or after, has a name or the label of Gitlatch's own. A
// deletion of many has its name on the old object alone.
func ofGitlatch() string {
	var terms []string
	for _, o := range []string{"object", "oldObject"} {
		terms = append(terms,
			o+` != null && has(`+o+`.metadata.name) && (`+o+`.metadata.name == "`+registered+`" || `+o+`.metadata.name.startsWith("`+registered+`-"))`,
			o+` != null && has(`+o+`.metadata.labels) && "`+v1alpha1.LabelOwner+`" in `+o+`.metadata.labels`)
	}
	return "(" + strings.Join(terms, ") || (") + ")"
}

func (g *staticGuard) variables() []admissionv1.Variable {
	quoted := make([]string, len(g.groups))
	for i, group := range g.groups {
		quoted[i] = strconv.Quote(group)
	}
	all := []admissionv1.Variable{
		{Name: "switcher", Expression: `has(request.userInfo.groups) && [` + strings.Join(quoted, ", ") + `].exists(g, g in request.userInfo.groups)`},
		{Name: "gitlatch", Expression: podOf(accountPrefix + g.install.Namespace + ":" + g.install.Webhook)},
		{Name: "update", Expression: `request.operation == "UPDATE" && object != null && oldObject != null`},
		{Name: "sameMetadata", Expression: `variables.update && ` + sameFields("object.metadata", "oldObject.metadata",
			"labels", "annotations", "ownerReferences", "finalizers")},
		// Nobody changes anything: a migration of what is stored, or an apply of what is there.
		{Name: "unchanged", Expression: `variables.sameMetadata && ` + sameFields("object", "oldObject", "webhooks", "spec")},
	}
	if g.injector == "" {
		return all
	}
	return append(all, admissionv1.Variable{Name: "injected", Expression: podOf(g.injector) +
		` && variables.sameMetadata && has(oldObject.metadata.annotations)` +
		` && oldObject.metadata.annotations.exists(k, k.startsWith("` + injectAnnotation + `"))` +
		` && has(object.webhooks) && has(oldObject.webhooks) && object.webhooks.size() == oldObject.webhooks.size()` +
		` && object.webhooks.all(n, oldObject.webhooks.exists(o, ` + sameFields("n", "o", webhookFields()...) +
		` && ` + sameFields("n.clientConfig", "o.clientConfig", "url", "service") + `))`})
}

// webhookFields are those of a webhook of either kind, but for clientConfig.
func webhookFields() []string {
	return []string{"name", "rules", "failurePolicy", "matchPolicy", "namespaceSelector", "objectSelector", "sideEffects",
		"timeoutSeconds", "admissionReviewVersions", "reinvocationPolicy", "matchConditions"}
}

// podOf: the token of a living pod of this service account, which a name alone does not
// prove.
func podOf(user string) string {
	terms := []string{
		`has(request.userInfo.username) && request.userInfo.username == "` + escaped(user) + `"`,
		`has(request.userInfo.uid) && request.userInfo.uid != ""`,
		`has(request.userInfo.extra)`,
	}
	for _, key := range []string{policy.ExtraPodName, policy.ExtraPodUID} {
		terms = append(terms, `"`+key+`" in request.userInfo.extra`)
	}
	return strings.Join(terms, " && ")
}

// sameFields: these fields are equal, or absent in both.
func sameFields(n, o string, fields ...string) string {
	var terms []string
	for _, f := range fields {
		terms = append(terms, fmt.Sprintf("has(%[1]s.%[3]s) == has(%[2]s.%[3]s) && (!has(%[1]s.%[3]s) || %[1]s.%[3]s == %[2]s.%[3]s)", n, o, f))
	}
	return strings.Join(terms, " && ")
}

// escaped is text for the inside of a CEL string.
func escaped(text string) string {
	quoted := strconv.Quote(text)
	return quoted[1 : len(quoted)-1]
}

// oneDenial joins the errors of a write to both configurations. Where a file of the
// control plane refused them, what it says is said once, without what it is wrapped in.
func oneDenial(errs ...error) error {
	for _, err := range errs {
		if !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), "'"+guardName+"'") {
			continue
		}
		if _, said, found := strings.Cut(err.Error(), "denied request: "); found {
			return errors.New(said)
		}
	}
	return errors.Join(errs...)
}
