package policy

import "strings"

/*
The named identities of a control plane. Exact names, never "system:*" and
never all of kube-system: a platform keeps its add-ons there, and people can
create accounts there.

Source: the controllers' client names of cmd/kube-controller-manager/app and the
roles of plugin/pkg/auth/authorizer/rbac/bootstrappolicy/controller_policy.go of
kubernetes v1.37.2; the cloud controllers' from k8s.io/cloud-provider/names.
*/

// ControlPlaneAccounts lists the service accounts of kube-system that the
// controllers of a control plane run as. Each needs a genuine token.
func ControlPlaneAccounts() []string {
	return []string{
		"attachdetach-controller",
		"bootstrap-signer",
		"certificate-controller",
		"cloud-node-controller",
		"cloud-node-lifecycle-controller",
		"clusterrole-aggregation-controller",
		"cronjob-controller",
		"daemon-set-controller",
		"deployment-controller",
		"device-taint-eviction-controller",
		"disruption-controller",
		"endpoint-controller",
		"endpointslice-controller",
		"endpointslicemirroring-controller",
		"ephemeral-volume-controller",
		"expand-controller",
		"generic-garbage-collector",
		"horizontal-pod-autoscaler",
		"job-controller",
		"kube-apiserver-serving-clustertrustbundle-publisher",
		"legacy-service-account-token-cleaner",
		"namespace-controller",
		"node-controller",
		"persistent-volume-binder",
		"pod-garbage-collector",
		"podcertificaterequestcleaner",
		"podgroup-protection-controller",
		"pv-protection-controller",
		"pvc-protection-controller",
		"replicaset-controller",
		"replication-controller",
		"resource-claim-controller",
		"resourcepoolstatusrequest-controller",
		"resourcequota-controller",
		"root-ca-cert-publisher",
		"route-controller",
		"selinux-warning-controller",
		"service-account-controller",
		"service-cidrs-controller",
		"service-controller",
		"statefulset-controller",
		"storage-version-garbage-collector",
		"storage-version-migrator-controller",
		"taint-eviction-controller",
		"token-cleaner",
		"tokens-controller",
		"ttl-after-finished-controller",
		"ttl-controller",
		"validatingadmissionpolicy-status-controller",
		"volumeattributesclass-protection-controller",
	}
}

// ControlPlaneUsers lists the users of a control plane that are no service
// accounts. Each needs a uid or a credential-id: the API server's own loopback
// client has the first, a client certificate the second, a plain --as neither.
func ControlPlaneUsers() []string {
	return []string{
		"system:apiserver",
		"system:kube-controller-manager",
		"system:kube-scheduler",
		"system:cloud-controller-manager",
	}
}

func isControlPlaneAccount(accounts map[string]struct{}, u *User) bool {
	ns, name, ok := u.Account()
	if !ok || ns != systemNamespace {
		return false
	}
	_, ok = accounts[name]
	return ok
}

const systemNamespace = "kube-system"

func isControlPlaneUser(u *User) bool {
	switch u.Name {
	case "system:apiserver", "system:kube-controller-manager",
		"system:kube-scheduler", "system:cloud-controller-manager":
		return u.genuine()
	}
	return false
}

func isNode(u *User) bool {
	return strings.HasPrefix(u.Name, nodePrefix) && u.inGroup(nodesGroup) && u.genuine()
}

// isBootstrap: a machine that is about to become a node asks for its
// certificate, and for nothing else. The signer issues names of nodes only, so
// that a bootstrap token is no way to become anybody else.
func isBootstrap(u *User, r *Request) bool {
	return r.Resource.Group == certificatesGroup && r.Resource.Resource == csrResource &&
		r.Subresource == "" && r.Operation == Create &&
		text(child(r.Object, "spec"), "signerName") == kubeletSigner &&
		strings.HasPrefix(u.Name, bootstrapPrefix) && u.inGroup("system:bootstrappers")
}

// bootstrapPrefix begins the user names of bootstrap tokens, of which the API server shows name and groups, and no more
// (k8s.io/kubernetes/plugin/pkg/auth/authenticator/token/bootstrap).
const bootstrapPrefix = "system:bootstrap:"
