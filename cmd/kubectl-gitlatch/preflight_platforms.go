package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitlatch/gitlatch/policy"
)

func platformNames() []string {
	var out []string
	for _, p := range knownPlatforms() {
		out = append(out, p.name)
	}
	return out
}

// platforms asks what would become of each identity of those that are here.
func (p *preflighting) platforms(ctx context.Context) error {
	here, err := p.detect(ctx)
	if err != nil {
		return err
	}
	p.report.Platforms = here
	for _, known := range knownPlatforms() {
		if !slices.Contains(here, known.name) {
			continue
		}
		for _, id := range known.identities {
			if err := p.platformIdentity(ctx, known.name, id); err != nil {
				return err
			}
		}
		for _, n := range known.unguarded {
			p.report.add(preflightFinding{Severity: n.severity, Check: checkPlatform, Subject: known.name, Message: n.message, Next: n.next})
		}
	}
	if len(here) == 0 && p.platform == "auto" {
		p.report.add(preflightFinding{Severity: severityNotes, Check: checkPlatform, Subject: "unknown",
			Message: "what runs the control plane is not known: its identities beyond the usual ones are not asked about",
			Next:    "name it with --platform, or stay in Audit until the records hold no surprise"})
	}
	return nil
}

func (p *preflighting) platformIdentity(ctx context.Context, name string, id platformIdentity) error {
	users := []policy.User{id.user}
	if _, account, found := strings.Cut(id.user.Name, "system:serviceaccount::"); found { // in whichever namespace it is
		users = nil
		namespaces, err := p.namespacesOf(ctx, account)
		if err != nil {
			return err
		}
		for _, ns := range namespaces {
			users = append(users, minted(ns, account))
		}
	}
	for _, u := range users {
		if d := p.decide(id.write(u)); d.Action == policy.Deny {
			p.report.add(preflightFinding{Severity: severityBlocks, Check: checkPlatform, Subject: u.Name,
				Message: fmt.Sprintf("%s works as it (%s), and it would be denied (%s)", name, id.work, d.Reason),
				Next:    "add the component manifests/policies/platforms/" + name + " to the policy: see docs/platforms.md"})
		}
	}
	return nil
}

// write is what it writes every day.
func (id *platformIdentity) write(u policy.User) *policy.Request {
	r := sampleWrite(u, id.group, id.resource, id.namespace)
	if id.spec != nil {
		r.Operation, r.Old = policy.Create, nil
		r.Object["spec"] = id.spec
	}
	return r
}

// sampleWrite changes an object of which nothing else is known.
func sampleWrite(u policy.User, group, resource, namespace string) *policy.Request {
	thing := func(value string) map[string]any {
		return map[string]any{"metadata": map[string]any{"name": "-", "namespace": namespace}, "spec": map[string]any{"value": value}, "data": map[string]any{"value": value}}
	}
	return &policy.Request{
		User: u, Operation: policy.Update, Resource: schema.GroupVersionResource{Group: group, Version: "v1", Resource: resource},
		Kind: schema.GroupVersionKind{Group: group, Version: "v1", Kind: resource}, Namespace: namespace, Name: "-", Old: thing("old"), Object: thing("new"),
	}
}

// namespacesOf are those that have an account of this name.
func (p *preflighting) namespacesOf(ctx context.Context, account string) ([]string, error) {
	var out []string
	err := p.eachMetadata(ctx, "ServiceAccountList", client.MatchingFields{"metadata.name": account}, func(o *metav1.PartialObjectMetadata) {
		out = append(out, o.Namespace)
	})
	return out, p.unread(checkPlatform, "serviceaccounts", err)
}

// detect tells platforms by what they leave for everybody to see.
func (p *preflighting) detect(ctx context.Context) ([]string, error) {
	if p.platform == "none" {
		return nil, nil
	}
	groups, err := p.discovery.ServerGroups()
	if err != nil {
		return nil, fmt.Errorf("asking what the API server serves: %w", err)
	}
	serves := func(group string) bool {
		return slices.ContainsFunc(groups.Groups, func(g metav1.APIGroup) bool { return g.Name == group })
	}
	var here []string
	if p.platform != "auto" {
		here = append(here, p.platform)
	} else if found, err := p.detectControlPlane(ctx, serves); err != nil {
		return nil, err
	} else if found != "" {
		here = append(here, found)
	}
	if serves("crd.projectcalico.org") && !slices.Contains(here, "calico") {
		here = append(here, "calico")
	}
	return here, nil
}

func (p *preflighting) detectControlPlane(ctx context.Context, serves func(string) bool) (string, error) {
	switch v := p.report.Version; {
	case serves("config.openshift.io"):
		return "openshift", nil
	case strings.Contains(v, "-eks-"):
		return "eks", nil
	case strings.Contains(v, "-gke."):
		return "gke", nil
	case strings.Contains(v, "+k3s"):
		return "k3s", nil
	}
	nodes, err := p.objects.Resource(schema.GroupVersionResource{Version: "v1", Resource: "nodes"}).List(ctx, metav1.ListOptions{Limit: 1})
	if err := p.unread(checkPlatform, "nodes", err); err != nil {
		return "", err
	}
	for i := 0; nodes != nil && i < len(nodes.Items); i++ {
		if _, azure := nodes.Items[i].Labels["kubernetes.azure.com/cluster"]; azure {
			return "aks", nil
		}
	}
	_, err = p.objects.Resource(schema.GroupVersionResource{Version: "v1", Resource: "configmaps"}).Namespace("kube-system").Get(ctx, "kubeadm-config", metav1.GetOptions{})
	switch {
	case err == nil:
		return "kubeadm", nil
	case apierrors.IsNotFound(err):
		return "", nil
	}
	return "", p.unread(checkPlatform, "ConfigMap kube-system/kubeadm-config", err)
}
