package main

import (
	"bytes"
	"crypto/ed25519"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"

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
	// exempts are namespaces of which webhooks may not be asked there.
	exempts []platformExemption
}

// platformExemption is in force for the namespaces that this selector selects.
type platformExemption struct {
	selector string
	platformNote
}

// platformIdentity is one of a platform's, with something that it writes every day.
type platformIdentity struct {
	user            policy.User
	group, resource string
	namespace       string
	work            string
	spec            map[string]any // of what it writes; nil: nothing is known
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

func daily(user policy.User, group, resource, namespace, work string) platformIdentity {
	return platformIdentity{user: user, group: group, resource: resource, namespace: namespace, work: work}
}

func knownPlatforms() []platform {
	return []platform{
		{name: "kubeadm", unguarded: []platformNote{{severityNotes,
			"kubernetes-admin (group kubeadm:cluster-admins) is judged as a person: kubeadm upgrade apply, and joining a control-plane node, are denied without an emergency",
			"let that group break glass (the component kubeadm), or raise the mode to Audit while upgrading"}}},
		{name: "eks", identities: []platformIdentity{
			daily(certified("eks:addon-manager"), "apps", "daemonsets", "kube-system", "managed add-ons"),
			daily(certified("eks:node-manager"), "", "nodes", "", "managed node groups"),
			daily(certified("eks:vpc-resource-controller"), "", "pods", "kube-system", "security groups of pods"),
			daily(certified("eks:cluster-bootstrap"), "", "configmaps", "kube-system", "the cluster's set-up"),
			daily(certified("eks:certificate-controller"), "certificates.k8s.io", "certificatesigningrequests", "", "certificates of kubelets"),
		}},
		{name: "gke", identities: []platformIdentity{
			daily(certified("system:addon-manager", "system:masters"), "apps", "deployments", "kube-system", "add-ons"),
			daily(certified("system:controller:glbc"), "networking.k8s.io", "ingresses", "default", "load balancers"),
		}, exempts: autopilotExempts(), unguarded: []platformNote{{severityWarns,
			"GKE Autopilot has webhooks leave out kube-system, gke-gmp-system and gke-managed-cim, and refuses those with rules for all groups and resources, as the gate's are",
			"on Autopilot the gate can't be registered as it is; on Standard nothing is rewritten: see docs/platforms.md"}}},
		{name: "aks", identities: []platformIdentity{
			daily(certified("aksService", "system:masters"), "apps", "deployments", "kube-system", "add-ons"),
		}, exempts: enforcerExempts(), unguarded: []platformNote{{severityNotes,
			"AKS's admissions enforcer takes namespaces with the label control-plane, or kubernetes.azure.com/managedby=aks, from every webhook that does not opt out; the gate opts out, and says so where that does not help",
			"guard who may label namespaces; watch gitlatch_registration_platform_exemptions"}}},
		{name: "openshift", identities: openshiftIdentities(), unguarded: []platformNote{{severityNotes,
			"static pods recover from expired certificates with tokens that prove nothing (localhost-recovery-client): they are judged as persons",
			"leave the namespaces openshift-kube-* out of the policies if that must work by itself"}}},
		{name: "k3s", identities: []platformIdentity{
			daily(certified("system:k3s-supervisor", "system:masters"), "batch", "jobs", "kube-system", "the deploy and helm controllers"),
			daily(certified("system:k3s-controller"), "", "nodes", "", "the network of nodes"),
			daily(certified("k3s-cloud-controller-manager"), "apps", "daemonsets", "kube-system", "load balancers"),
		}},
		{name: "calico", identities: []platformIdentity{
			daily(minted("", "calico-cni-plugin"), "crd.projectcalico.org", "ipamblocks", "", "addresses for new pods"),
		}},
	}
}

// openshiftIdentities: what the controllers write is in openshift/openshift-apiserver,
// pkg/bootstrappolicy/controller_policy.go.
func openshiftIdentities() []platformIdentity {
	out := []platformIdentity{
		daily(certified("system:ovn-node:-", "system:ovn-nodes"), "", "nodes", "", "the network of nodes"),
		daily(certified("system:multus:-", "system:multus"), "", "pods", "default", "additional networks"),
		nodeBootstrapper(),
	}
	for _, c := range []struct{ name, group, resource, work string }{
		{"build-config-change-controller", "build.openshift.io", "builds", "builds after a change"},
		{"build-controller", "", "pods", "builds"},
		{"default-rolebindings-controller", "rbac.authorization.k8s.io", "rolebindings", "the bindings of new projects"},
		{"deployer-controller", "", "pods", "the pods of a rollout"},
		{"deploymentconfig-controller", "", "replicationcontrollers", "DeploymentConfigs"},
		{"image-import-controller", "image.openshift.io", "imagestreams", "imported images"},
		{"image-trigger-controller", "apps", "deployments", "rollouts of new images"},
		{"ingress-to-route-controller", "route.openshift.io", "routes", "routes of Ingresses"},
		{"origin-namespace-controller", "", "namespaces", "projects that end"},
		{"serviceaccount-controller", "", "serviceaccounts", "the accounts of new projects"},
		{"serviceaccount-pull-secrets-controller", "", "secrets", "pull secrets"},
		{"template-instance-controller", "template.openshift.io", "templateinstances", "templates"},
		{"template-instance-finalizer-controller", "template.openshift.io", "templateinstances", "templates that end"},
		{"unidling-controller", "", "replicationcontrollers", "what wakes up from idling"},
	} {
		namespace := "default"
		if c.resource == "namespaces" {
			namespace = ""
		}
		out = append(out, daily(minted("openshift-infra", c.name), c.group, c.resource, namespace, c.work))
	}
	return out
}

// nodeBootstrapper asks for the certificate of a new node, which is a name of the control
// plane's. The key is nobody's.
func nodeBootstrapper() platformIdentity {
	out := daily(minted("openshift-machine-config-operator", "node-bootstrapper"), "certificates.k8s.io", "certificatesigningrequests", "", "new nodes")
	key := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{1}, ed25519.SeedSize))
	subject := pkix.Name{CommonName: "system:node:-", Organization: []string{"system:nodes"}}
	raw, err := x509.CreateCertificateRequest(nil, &x509.CertificateRequest{Subject: subject}, key)
	if err != nil { // it can't be: then the request is one that nobody can read
		raw = nil
	}
	out.spec = map[string]any{
		"signerName": "kubernetes.io/kube-apiserver-client-kubelet",
		"request":    base64.StdEncoding.EncodeToString(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: raw})),
	}
	return out
}

// enforcerExempts and autopilotExempts are what these platforms are known to add to the
// selectors of webhooks: webhook/registration/platforms.go has the sources.
func enforcerExempts() []platformExemption {
	why := platformNote{severityNotes, "AKS's admissions enforcer has the API server ask no webhook about it, where the opt-out of the gate's does not help",
		"once a policy enforces, read its Ready condition, which says what the platform exempts; guard who may label namespaces"}
	return []platformExemption{{"control-plane", why}, {"kubernetes.azure.com/managedby=aks", why}}
}

func autopilotExempts() []platformExemption {
	return []platformExemption{{"kubernetes.io/metadata.name in (gke-gmp-system, gke-managed-cim, kube-system)", platformNote{severityWarns,
		"on GKE Autopilot the API server asks no webhook about it", "have nothing there that git should be the only path to, or run the cluster as Standard"}}}
}
