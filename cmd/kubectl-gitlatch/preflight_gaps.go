package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	apiversion "k8s.io/apimachinery/pkg/util/version"

	"github.com/gitlatch/gitlatch/policy"
	"github.com/gitlatch/gitlatch/reporter/access"
)

// oldestMinor is the oldest supported minor of Kubernetes 1.
const oldestMinor = 35

// version asks whether this API server has what Gitlatch stands on.
func (p *preflighting) version(context.Context) error {
	info, err := p.discovery.ServerVersion()
	if err != nil {
		return fmt.Errorf("asking the API server for its version: %w", err)
	}
	p.report.Version = info.GitVersion
	if !supported(info.GitVersion) {
		p.report.add(preflightFinding{Severity: severityBlocks, Check: checkVersion, Subject: info.GitVersion,
			Message: "Kubernetes before 1." + strconv.Itoa(oldestMinor) + " is not supported", Next: "upgrade the cluster first"})
	}
	served, err := p.discovery.ServerResourcesForGroupVersion("admissionregistration.k8s.io/v1")
	if err != nil {
		return fmt.Errorf("asking what the API server serves of admissionregistration.k8s.io/v1: %w", err)
	}
	for _, want := range []struct {
		resource string
		severity severity
		without  string
	}{
		{"mutatingwebhookconfigurations", severityBlocks, "there is no gate"},
		{"validatingwebhookconfigurations", severityBlocks, "there is no gate"},
		{"validatingadmissionpolicies", severityWarns, "there is no backstop: with no webhook alive nothing is refused"},
		{"validatingadmissionpolicybindings", severityWarns, "there is no backstop: with no webhook alive nothing is refused"},
	} {
		there := false
		for i := range served.APIResources {
			there = there || served.APIResources[i].Name == want.resource
		}
		if !there {
			p.report.add(preflightFinding{Severity: want.severity, Check: checkVersion, Subject: want.resource,
				Message: "the API server does not serve them, and without them " + want.without, Next: "have the API server serve admissionregistration.k8s.io/v1 whole (--runtime-config)"})
		}
	}
	return nil
}

func supported(version string) bool {
	v, err := apiversion.ParseGeneric(version)
	return err == nil && v.AtLeast(apiversion.MustParseGeneric("1."+strconv.Itoa(oldestMinor)))
}

// unguarded tells what admission by webhooks never sees.
func (p *preflighting) unguarded(ctx context.Context) error {
	services := &unstructured.UnstructuredList{}
	services.SetGroupVersionKind(schema.GroupVersionKind{Group: "apiregistration.k8s.io", Version: "v1", Kind: "APIServiceList"})
	err := access.Pages(ctx, p.reader, services, func(l *unstructured.UnstructuredList) {
		for i := range l.Items {
			p.aggregated(&l.Items[i])
		}
	})
	if err := p.unread(checkUnguarded, "apiservices", err); err != nil {
		return err
	}
	note := func(subject, message, next string) {
		p.report.add(preflightFinding{Severity: severityNotes, Check: checkUnguarded, Subject: subject, Message: message, Next: next})
	}
	if p.rights != nil {
		var never []string
		for _, k := range p.rights.Kinds {
			if k.Subresource == "" && policy.NeverAsked(k.Group, k.Resource, "") {
				never = append(never, schema.GroupResource{Group: k.Group, Resource: k.Resource}.String())
			}
		}
		slices.Sort(never)
		note("kinds", "never asked about: "+strings.Join(slices.Compact(never), ", "), "nothing: they declare nothing, and heartbeats must not wait for a gate")
	}
	note("admissionregistration.k8s.io", "no webhook is ever asked about webhook configurations and admission policies: whoever RBAC lets edit them can open the gate, is put on record, and is undone within a second",
		"keep those few: see Poses; from Kubernetes 1.37, on a control plane of your own, kubectl gitlatch static-manifests guards them")
	for _, one := range p.policies {
		if excluded := one.Spec.Match.ExcludeNamespaces; len(excluded) > 0 {
			note("policy "+one.Name, "leaves out namespaces "+strings.Join(excluded, ", "), "take out of excludeNamespaces what git should be the only path to")
		}
	}
	if err := p.exempted(); err != nil {
		return err
	}
	if p.running != nil && p.running.mirrors > 0 {
		note("static pods", fmt.Sprintf("%d pods come from files on nodes: what is in those files no API server is asked about", p.running.mirrors), "guard the nodes' file systems")
	}
	return nil
}

// aggregated: another server answers for the group, with or without admission.
func (p *preflighting) aggregated(s *unstructured.Unstructured) {
	service, found, err := unstructured.NestedMap(s.Object, "spec", "service")
	if err != nil || !found || service == nil {
		return
	}
	f := preflightFinding{Severity: severityNotes, Check: checkUnguarded, Subject: "APIService " + s.GetName(),
		Message: fmt.Sprintf("answered by Service %v/%v: the gate is asked only if that server asks admission webhooks itself", service["namespace"], service["name"]),
		Next:    "guard writes to it by its own means, or have git declare the objects behind it"}
	group, _, _ := unstructured.NestedString(s.Object, "spec", "group")
	if p.rights != nil && slices.ContainsFunc(p.rights.Kinds, func(k access.Kind) bool {
		return k.Group == group && slices.ContainsFunc(k.Verbs, func(v string) bool { return v == "create" || v == "update" || v == "patch" || v == "delete" })
	}) {
		f.Severity = severityWarns
		f.Message += "; objects of it can be written"
	}
	p.report.add(f)
}
