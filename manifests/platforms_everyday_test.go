package manifests_test

import (
	"testing"

	"github.com/gitlatch/gitlatch/policy"
)

// platformActs are the everyday acts of each platform's identities, by the component that is for them.
func platformActs(t *testing.T) map[string][]act {
	return map[string][]act{
		"kubeadm":   {},
		"eks":       eksActs(t),
		"gke":       gkeActs(),
		"aks":       {writes(certified("aksService", "system:masters"), "apps", "deployments", "", "kube-system", spec(map[string]any{"replicas": int64(2)}))},
		"openshift": openshiftActs(t),
		"k3s":       k3sActs(),
		"calico":    append(calicoActs("kube-system"), calicoActs("calico-system")...),
	}
}

func workload() map[string]any {
	return spec(map[string]any{"template": map[string]any{"spec": map[string]any{}}})
}

func eksActs(t *testing.T) []act {
	addons, nodes := certified("eks:addon-manager"), certified("eks:node-manager")
	return []act{
		created(writes(addons, "apps", "daemonsets", "", "kube-system", workload())),
		bindingOf(addons, "User", "", "eks:node-manager"),
		created(writes(certified("eks:cluster-bootstrap"), "", "configmaps", "", "kube-system", nil)),
		bindingOf(certified("eks:cluster-bootstrap"), "User", "", "eks:addon-manager"),
		writes(nodes, "", "nodes", "", "", annotated("x")),
		writes(certified("eks:vpc-resource-controller"), "", "pods", "", "prod", annotated("vpc.amazonaws.com/pod-eni")),
		writes(certified("eks:vpc-resource-controller"), "", "nodes", "status", "", annotated("x")),
		approved(certificateOf(t, pod("kube-system", "x"), "system:node:n1", "system:nodes"), certified("eks:certificate-controller")),
	}
}

func gkeActs() []act {
	return []act{
		writes(certified("system:addon-manager", "system:masters"), "apps", "deployments", "", "kube-system", workload()),
		writes(certified("system:controller:glbc"), "networking.k8s.io", "ingresses", "status", "prod", annotated("x")),
		writes(certified("system:controller:glbc"), "", "services", "", "prod", annotated("cloud.google.com/neg-status")),
	}
}

func k3sActs() []act {
	supervisor, cloud := certified("system:k3s-supervisor", "system:masters"), certified("k3s-cloud-controller-manager")
	return []act{
		created(writes(supervisor, "batch", "jobs", "", "kube-system", workload())),
		created(writes(supervisor, "", "serviceaccounts", "", "kube-system", nil)),
		bindingOf(supervisor, "User", "", "system:k3s-controller"),
		bindingOf(supervisor, "User", "", "k3s-cloud-controller-manager"),
		writes(certified("system:k3s-controller"), "", "nodes", "status", "", annotated("flannel.alpha.coreos.com/backend-data")),
		created(writes(cloud, "apps", "daemonsets", "", "kube-system", workload())),
		writes(cloud, "", "services", "status", "prod", map[string]any{"status": map[string]any{"loadBalancer": map[string]any{}}}),
	}
}

func calicoActs(namespace string) []act {
	plugin, node, operator := minted(namespace, "calico-cni-plugin"), pod(namespace, "calico-node"), pod("tigera-operator", "tigera-operator")
	return []act{
		created(writes(plugin, "crd.projectcalico.org", "ipamblocks", "", "", spec(map[string]any{}))),
		writes(plugin, "", "pods", "status", "prod", annotated("cni.projectcalico.org/podIP", "cni.projectcalico.org/podIPs", "cni.projectcalico.org/containerID")),
		allowedBare(token(node, namespace, "calico-cni-plugin")),
		allowedBare(bindingOf(operator, "ServiceAccount", namespace, "calico-cni-plugin")),
		allowedBare(created(writes(operator, "apps", "daemonsets", "", namespace,
			spec(map[string]any{"template": map[string]any{"spec": map[string]any{"serviceAccountName": "calico-node"}}})))),
	}
}

func openshiftActs(t *testing.T) []act {
	ovn, multus := certified("system:ovn-node:n1", "system:ovn-nodes"), certified("system:multus:n1", "system:multus")
	network, identity := pod("openshift-network-operator", "cluster-network-operator"), pod("openshift-network-node-identity", "network-node-identity")
	machines := pod("openshift-cluster-machine-approver", "machine-approver-sa")
	bootstrapper := minted("openshift-machine-config-operator", "node-bootstrapper")
	delete(bootstrapper.Extra, policy.ExtraCredentialID) // a token from a Secret
	controllers, routes := pod("openshift-controller-manager", "openshift-controller-manager-sa"), pod("openshift-route-controller-manager", "route-controller-manager-sa")
	operator := pod("openshift-controller-manager-operator", "openshift-controller-manager-operator")
	kubelet := certificateOf(t, bootstrapper, "system:node:n2", "system:nodes")
	renewal := certificateOf(t, ovn, "system:ovn-node:n1", "system:ovn-nodes")
	out := []act{
		writes(ovn, "", "pods", "status", "prod", annotated("k8s.ovn.org/pod-networks")),
		writes(ovn, "", "nodes", "status", "", annotated("k8s.ovn.org/node-subnets")),
		writes(multus, "", "pods", "status", "prod", annotated("k8s.v1.cni.cncf.io/network-status")),
		renewal, approved(renewal, identity),
		certificateOf(t, multus, "system:multus:n1", "system:multus"),
		allowedBare(bindingOf(network, "Group", "", "system:multus")),
		kubelet, approved(kubelet, machines),
		allowedBare(bindingOf(pod("openshift-machine-config-operator", "machine-config-operator"), "ServiceAccount", "openshift-machine-config-operator", "node-bootstrapper")),
		allowedBare(token(controllers, "openshift-infra", "build-controller")),
		allowedBare(token(routes, "openshift-infra", "ingress-to-route-controller")),
		allowedBare(bindingOf(operator, "ServiceAccount", "openshift-infra", "image-trigger-controller")),
		allowedBare(bindingOf(operator, "ServiceAccount", "openshift-controller-manager", "openshift-controller-manager-sa")),
	}
	for _, name := range []string{"cluster-version-operator", "default"} {
		cvo := pod("openshift-cluster-version", name)
		out = append(out, allowedBare(bindingOf(cvo, "ServiceAccount", "openshift-network-operator", "cluster-network-operator")),
			allowedBare(created(writes(cvo, "apps", "deployments", "", "openshift-network-operator",
				spec(map[string]any{"template": map[string]any{"spec": map[string]any{"serviceAccountName": "cluster-network-operator"}}})))))
	}
	for _, name := range []string{
		"build-config-change-controller", "build-controller", "default-rolebindings-controller", "deployer-controller",
		"deploymentconfig-controller", "image-import-controller", "image-trigger-controller", "ingress-to-route-controller",
		"origin-namespace-controller", "serviceaccount-controller", "serviceaccount-pull-secrets-controller",
		"template-instance-controller", "template-instance-finalizer-controller", "unidling-controller",
	} {
		out = append(out, created(writes(minted("openshift-infra", name), "", "secrets", "", "prod", map[string]any{"type": "Opaque"})))
	}
	return out
}
