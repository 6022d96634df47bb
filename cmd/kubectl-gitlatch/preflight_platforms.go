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

// platform is what runs a control plane, or the network of one, as far as the gate has
// to know: docs/platforms.md has the sources of the names.
type platform struct {
	name string
	// identities that are no pods and no named part of every control plane.
	identities []platformIdentity
	// unguarded is what can't be guarded there.
	unguarded []platformNote
}

// platformIdentity is one of a platform's, with something that it writes every day.
type platformIdentity struct {
	user            policy.User
	group, resource string
	namespace       string
	work            string
}

type platformNote struct {
	severity severity
	message  string
	next     string
}

// certified is a user by client certificate, and minted a service account by a token of
// no pod.
func certified(name string, groups ...string) policy.User {
	return policy.User{Name: name, Groups: append(groups, "system:authenticated"), Extra: map[string][]string{policy.ExtraCredentialID: {"-"}}}
}

func minted(namespace, name string) policy.User {
	return policy.User{
		Name: "system:serviceaccount:" + namespace + ":" + name, UID: "-",
		Groups: []string{"system:serviceaccounts", "system:serviceaccounts:" + namespace, "system:authenticated"},
		Extra:  map[string][]string{policy.ExtraCredentialID: {"-"}},
	}
}

func knownPlatforms() []platform {
	return []platform{
		{name: "kubeadm", unguarded: []platformNote{{severityNotes,
			"kubernetes-admin (group kubeadm:cluster-admins) is judged as a person: kubeadm upgrade apply, and joining a control-plane node, are denied without an emergency",
			"let that group break glass (the component kubeadm), or raise the mode to Audit while upgrading"}}},
		{name: "eks", identities: []platformIdentity{
			{certified("eks:addon-manager"), "apps", "daemonsets", "kube-system", "managed add-ons"},
			{certified("eks:node-manager"), "", "nodes", "", "managed node groups"},
			{certified("eks:vpc-resource-controller"), "", "pods", "kube-system", "security groups of pods"},
			{certified("eks:cluster-bootstrap"), "", "configmaps", "kube-system", "the cluster's set-up"},
		}},
		{name: "gke", identities: []platformIdentity{
			{certified("system:addon-manager", "system:masters"), "apps", "deployments", "kube-system", "add-ons"},
		}, unguarded: []platformNote{{severityWarns,
			"GKE Autopilot has webhooks leave out kube-system, gke-gmp-system and gke-managed-cim, and refuses those with rules for all groups and resources, as the gate's are",
			"on Autopilot the gate can't be registered as it is; on Standard nothing is rewritten: see docs/platforms.md"}}},
		{name: "aks", identities: []platformIdentity{
			{certified("aksService", "system:masters"), "apps", "deployments", "kube-system", "add-ons"},
		}, unguarded: []platformNote{{severityNotes,
			"AKS's admissions enforcer takes namespaces with the label control-plane, or kubernetes.azure.com/managedby=aks, from every webhook that does not opt out; the gate opts out, and says so where that does not help",
			"guard who may label namespaces; watch gitlatch_registration_platform_exemptions"}}},
		{name: "openshift", identities: []platformIdentity{
			{certified("system:ovn-node:-", "system:ovn-nodes"), "", "nodes", "", "the network of nodes"},
			{certified("system:multus:-", "system:multus"), "", "pods", "default", "additional networks"},
			{minted("openshift-infra", "build-controller"), "", "pods", "default", "builds"},
			{minted("openshift-infra", "serviceaccount-pull-secrets-controller"), "", "secrets", "default", "pull secrets"},
		}, unguarded: []platformNote{{severityNotes,
			"static pods recover from expired certificates with tokens that prove nothing (localhost-recovery-client): they are judged as persons",
			"leave the namespaces openshift-kube-* out of the policies if that must work by itself"}}},
		{name: "k3s", identities: []platformIdentity{
			{certified("system:k3s-supervisor", "system:masters"), "batch", "jobs", "kube-system", "the deploy and helm controllers"},
			{certified("system:k3s-controller"), "", "nodes", "", "the network of nodes"},
			{certified("k3s-cloud-controller-manager"), "apps", "daemonsets", "kube-system", "load balancers"},
		}},
		{name: "calico", identities: []platformIdentity{
			{minted("", "calico-cni-plugin"), "crd.projectcalico.org", "ipamblocks", "", "addresses for new pods"},
		}},
	}
}

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
		if d := p.decide(sampleWrite(u, id.group, id.resource, id.namespace)); d.Action == policy.Deny {
			p.report.add(preflightFinding{Severity: severityBlocks, Check: checkPlatform, Subject: u.Name,
				Message: fmt.Sprintf("%s works as it (%s), and it would be denied (%s)", name, id.work, d.Reason),
				Next:    "add the component manifests/policies/platforms/" + name + " to the policy: see docs/platforms.md"})
		}
	}
	return nil
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
