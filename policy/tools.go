package policy

import "strings"

// ToolOfPeople says that a field manager is the name under which a person's tool writes.
// A field manager is what the client names in its options, and else the first word of its
// user agent (k8s.io/apiserver pkg/endpoints/handlers, managerOrUserAgent). So these names
// indicate and prove nothing.
//
// Sources. kubectl: pkg/cmd of k8s.io/kubectl v0.37.2 names itself "kubectl-<command>" in
// create, edit, patch, replace, set, rollout, label, annotate, taint, run, expose,
// autoscale and debug, "kubectl-client-side-apply" and "kubectl-last-applied" in apply, and
// "kubectl" in a server-side apply; scale, cordon, drain and rollout undo name nothing,
// and the user agent is "kubectl". Helm: its program's name, "helm" (helm.sh/helm/v4
// pkg/kube, getManagedFieldsManager). k9s and the other tools built on client-go: their
// program's name (rest.DefaultKubernetesUserAgent). Lens and its forks, on the JavaScript
// client: "node-fetch", and in a browser, as every dashboard that passes the browser's
// user agent on: "Mozilla". Terraform: hashicorp/terraform-provider-kubernetes,
// defaultFieldManagerName, and "HashiCorp" by user agent. Pulumi: pulumi-kubernetes
// provider, "pulumi-kubernetes" and "pulumi-kubernetes-<random>". OpenShift's oc: "oc" and
// "oc-<command>", after kubectl's.
func ToolOfPeople(manager string) bool {
	switch manager {
	case "kubectl", "helm", "k9s", "Lens", "OpenLens", "freelens", "node-fetch", "Mozilla", "curl", "oc", "Terraform", "HashiCorp",
		"dashboard", "headlamp", "pulumi-kubernetes":
		return true
	}
	for _, prefix := range []string{"kubectl-", "oc-", "pulumi-kubernetes-", "headlamp-"} {
		if strings.HasPrefix(manager, prefix) {
			return true
		}
	}
	return false
}
