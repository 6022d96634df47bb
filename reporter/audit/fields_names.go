package audit

import (
	"slices"
	"strings"

	"github.com/gitlatch/gitlatch/policy"
)

/*
A field manager is what the client names in its options, and else the first word of
its user agent (k8s.io/apiserver pkg/endpoints/handlers, managerOrUserAgent). So these
names indicate and prove nothing.

Sources. kubectl: pkg/cmd of k8s.io/kubectl v0.37.2 names itself "kubectl-<command>" in
create, edit, patch, replace, set, rollout, label, annotate, taint, run, expose,
autoscale and debug, "kubectl-client-side-apply" and "kubectl-last-applied" in apply, and
"kubectl" in a server-side apply; scale, cordon, drain and rollout undo name nothing,
and the user agent is "kubectl". Helm: its program's name, "helm" (helm.sh/helm/v4
pkg/kube, getManagedFieldsManager). k9s and the other tools built on client-go: their
program's name (rest.DefaultKubernetesUserAgent). Lens and its forks, on the JavaScript
client: "node-fetch", and in a browser, as every dashboard that passes the browser's
user agent on: "Mozilla". Terraform: hashicorp/terraform-provider-kubernetes,
defaultFieldManagerName, and "HashiCorp" by user agent. Pulumi: pulumi-kubernetes
provider, "pulumi-kubernetes" and "pulumi-kubernetes-<random>". OpenShift's oc: "oc" and
"oc-<command>", after kubectl's.
*/
func isTool(manager string) bool {
	switch manager {
	case "kubectl", "helm", "k9s", "Lens", "OpenLens", "freelens", "node-fetch", "Mozilla", "curl", "oc", "Terraform", "HashiCorp",
		"dashboard", "headlamp", "pulumi-kubernetes":
		return true
	}
	return strings.HasPrefix(manager, "kubectl-") || strings.HasPrefix(manager, "oc-") || strings.HasPrefix(manager, "pulumi-kubernetes-") ||
		strings.HasPrefix(manager, "headlamp-")
}

// beforeFirstApply holds what was there when an object without managedFields was
// applied for the first time (apimachinery managedfields, skipnonapplied.go).
const beforeFirstApply = "before-first-apply"

// isSystem: a name of the control plane's programs, or one that a controller of theirs
// applies under (seen on v1.37.2; pkg/registry/flowcontrol, pkg/controller/servicecidrs,
// pkg/controller/clusterroleaggregation of k8s.io/kubernetes).
func isSystem(manager string) bool {
	switch manager {
	case "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "cloud-controller-manager",
		"api-priority-and-fairness-config-producer-v1", "api-priority-and-fairness-config-consumer-v1",
		"kubernetes-service-cidr-controller", "service-cidr-controller":
		return true
	}
	return slices.Contains(policy.ControlPlaneAccounts(), manager)
}
