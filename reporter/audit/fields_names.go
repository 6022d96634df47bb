package audit

import (
	"slices"

	"github.com/gitlatch/gitlatch/policy"
)

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
