package main

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/policy"
	"github.com/gitlatch/gitlatch/reporter/access"
)

// theirs is a webhook of somebody else.
type theirs struct {
	configuration, name string
	mutating            bool
	hook                *admissionv1.MutatingWebhook
}

func (w *theirs) subject() string {
	kind := "ValidatingWebhookConfiguration"
	if w.mutating {
		kind = "MutatingWebhookConfiguration"
	}
	return kind + " " + w.configuration + " (" + w.name + ")"
}

// webhooks asks whether another one undoes the gate, or keeps it from starting.
func (p *preflighting) webhooks(ctx context.Context) error {
	all, err := p.readWebhooks(ctx)
	if err != nil {
		return err
	}
	home, err := p.homeLabels(ctx)
	if err != nil {
		return err
	}
	for i := range all {
		w := &all[i]
		if err := p.coldStart(ctx, w, home); err != nil {
			return err
		}
		p.after(w)
	}
	return nil
}

func (p *preflighting) readWebhooks(ctx context.Context) ([]theirs, error) {
	var out []theirs
	mutating := access.Pages(ctx, p.reader, &admissionv1.MutatingWebhookConfigurationList{}, func(l *admissionv1.MutatingWebhookConfigurationList) {
		for i := range l.Items {
			for k := range l.Items[i].Webhooks {
				w := &l.Items[i].Webhooks[k]
				out = append(out, theirs{configuration: l.Items[i].Name, name: w.Name, mutating: true, hook: w})
			}
		}
	})
	validating := access.Pages(ctx, p.reader, &admissionv1.ValidatingWebhookConfigurationList{}, func(l *admissionv1.ValidatingWebhookConfigurationList) {
		for i := range l.Items {
			for k := range l.Items[i].Webhooks {
				w := &l.Items[i].Webhooks[k]
				out = append(out, theirs{configuration: l.Items[i].Name, name: w.Name, hook: &admissionv1.MutatingWebhook{
					ClientConfig: w.ClientConfig, Rules: w.Rules, FailurePolicy: w.FailurePolicy,
					NamespaceSelector: w.NamespaceSelector, ObjectSelector: w.ObjectSelector,
				}})
			}
		}
	})
	err := cmp.Or(p.unread(checkWebhooks, "mutatingwebhookconfigurations", mutating), p.unread(checkWebhooks, "validatingwebhookconfigurations", validating))
	return slices.DeleteFunc(out, func(w theirs) bool { return w.configuration == registered }), err
}

// homeLabels are those of the namespace that Gitlatch runs in, or will.
func (p *preflighting) homeLabels(ctx context.Context) (labels.Set, error) {
	out := labels.Set{corev1.LabelMetadataName: p.install.Namespace}
	var ns corev1.Namespace
	err := p.reader.Get(ctx, client.ObjectKey{Name: p.install.Namespace}, &ns)
	if err := p.unread(checkWebhooks, "namespace "+p.install.Namespace, client.IgnoreNotFound(err)); err != nil {
		return nil, err
	}
	maps.Copy(out, ns.Labels)
	return out, nil
}

// coldStart: with its failure policy Fail it must answer before Gitlatch's pods are there.
func (p *preflighting) coldStart(ctx context.Context, w *theirs, home labels.Set) error {
	if w.hook.FailurePolicy != nil && *w.hook.FailurePolicy == admissionv1.Ignore {
		return nil
	}
	pods := selects(w.hook.NamespaceSelector, home) && (matches(w.hook.Rules, "", "pods") || matches(w.hook.Rules, "apps", "replicasets") || matches(w.hook.Rules, "apps", "deployments"))
	records := matches(w.hook.Rules, v1alpha1.Group, "changerecords")
	if !pods && !records {
		return nil
	}
	what := "the pods of " + p.install.Namespace
	if records {
		what = "Gitlatch's records and policies"
		if pods {
			what += ", and " + "the pods of " + p.install.Namespace
		}
	}
	f := preflightFinding{Severity: severityWarns, Check: checkWebhooks, Subject: w.subject(),
		Message: "it must allow " + what + " (failurePolicy Fail): while it is down they can't be written, and the gate does not start or does not record",
		Next:    "exempt namespace " + p.install.Namespace + " and the group " + v1alpha1.Group + " from it, by its namespaceSelector and rules"}
	if s := w.hook.ClientConfig.Service; s != nil {
		var service corev1.Service
		err := p.reader.Get(ctx, client.ObjectKey{Namespace: s.Namespace, Name: s.Name}, &service)
		if err := p.unread(checkWebhooks, "Service "+s.Namespace+"/"+s.Name, client.IgnoreNotFound(err)); err != nil {
			return err
		}
		if apierrors.IsNotFound(err) {
			f.Severity = severityBlocks
			f.Message += "; its Service " + s.Namespace + "/" + s.Name + " is not there, so that they can't now"
		}
	}
	p.report.add(f)
	return nil
}

// after: mutating webhooks are asked in the order of their configurations' names
// (k8s.io/apiserver, webhook/generic and configuration/mutating_webhook_manager.go), so
// that one after "gitlatch" changes what the gate has judged and stamped.
func (p *preflighting) after(w *theirs) {
	again := w.hook.ReinvocationPolicy != nil && *w.hook.ReinvocationPolicy == admissionv1.IfNeededReinvocationPolicy
	if !w.mutating || w.configuration < registered && !again || !p.governs(w.hook.Rules) {
		return
	}
	f := preflightFinding{Severity: severityNotes, Check: checkWebhooks, Subject: w.subject(),
		Message: "it is asked after the gate, and may change what the gate has judged: the gate's second call judges what comes out, as the requester's own change",
		Next:    "if it changes fields that git declares, declare its result in git; or name its configuration before \"" + registered + "\""}
	if again && w.configuration < registered {
		f.Message = "it may be asked again after the gate (reinvocationPolicy IfNeeded): the gate's second call judges what comes out, as the requester's own change"
	}
	if matches(w.hook.Rules, v1alpha1.Group, "changepolicies") || everything(w.hook.Rules) {
		f.Severity = severityWarns
		f.Message += "; it is asked about every kind, annotations of break-glass and Gitlatch's own objects among them"
	}
	p.report.add(f)
}

// governs: a rule covers a kind that a policy governs.
func (p *preflighting) governs(rules []admissionv1.RuleWithOperations) bool {
	if p.rights == nil || len(p.rights.Kinds) == 0 {
		return true
	}
	for _, k := range p.rights.Kinds {
		if k.Subresource == "" && matches(rules, k.Group, k.Resource) &&
			p.decide(sampleWrite(policy.User{Name: "-"}, k.Group, k.Resource, "-")).Action != policy.Allow {
			return true
		}
	}
	return false
}

func everything(rules []admissionv1.RuleWithOperations) bool {
	return slices.ContainsFunc(rules, func(r admissionv1.RuleWithOperations) bool {
		return slices.Contains(r.APIGroups, "*") && slices.ContainsFunc(r.Resources, func(name string) bool { return strings.HasPrefix(name, "*") })
	})
}

// matches as the API server does (k8s.io/apiserver, predicates/rules), for any version and operation.
func matches(rules []admissionv1.RuleWithOperations, group, resource string) bool {
	return slices.ContainsFunc(rules, func(r admissionv1.RuleWithOperations) bool {
		return (slices.Contains(r.APIGroups, "*") || slices.Contains(r.APIGroups, group)) &&
			slices.ContainsFunc(r.Resources, func(name string) bool {
				return name == "*" || name == "*/*" || name == resource || name == resource+"/*"
			})
	})
}

func selects(s *metav1.LabelSelector, set labels.Set) bool {
	selector, err := metav1.LabelSelectorAsSelector(s)
	return s == nil || err != nil || selector.Matches(set)
}
