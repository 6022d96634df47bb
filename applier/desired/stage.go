package desired

import (
	"cmp"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/sets"
)

// The stages in which objects are applied, all of one before any of the next: what
// others need first, what catches others' requests last.
const (
	stageNamespaces = iota
	stageDefinitions
	stageClasses
	stageAccounts
	stageAccess
	stageConfig
	stageStorage
	stageServices
	stageWorkloads
	stageRest
	stageCustom
	stageInterception
)

// builtIn are the API groups that the API server itself serves (k8s.io/api, and
// kube-aggregator and apiextensions-apiserver). All others are somebody's.
var builtIn = sets.New(
	"", "admissionregistration.k8s.io", "apiextensions.k8s.io", "apiregistration.k8s.io", "apps",
	"authentication.k8s.io", "authorization.k8s.io", "autoscaling", "batch", "certificates.k8s.io",
	"coordination.k8s.io", "discovery.k8s.io", "events.k8s.io", "extensions", "flowcontrol.apiserver.k8s.io",
	"internal.apiserver.k8s.io", "networking.k8s.io", "node.k8s.io", "policy", "rbac.authorization.k8s.io",
	"resource.k8s.io", "scheduling.k8s.io", "storage.k8s.io", "storagemigration.k8s.io",
)

// stages of kinds that are not told by their group alone.
var stages = map[schema.GroupKind]int{
	{Kind: "Namespace"}: stageNamespaces,
	{Group: "apiextensions.k8s.io", Kind: "CustomResourceDefinition"}: stageDefinitions,

	{Group: "scheduling.k8s.io", Kind: "PriorityClass"}:                         stageClasses,
	{Group: "storage.k8s.io", Kind: "StorageClass"}:                             stageClasses,
	{Group: "storage.k8s.io", Kind: "VolumeAttributesClass"}:                    stageClasses,
	{Group: "storage.k8s.io", Kind: "CSIDriver"}:                                stageClasses,
	{Group: "snapshot.storage.k8s.io", Kind: "VolumeSnapshotClass"}:             stageClasses,
	{Group: "networking.k8s.io", Kind: "IngressClass"}:                          stageClasses,
	{Group: "node.k8s.io", Kind: "RuntimeClass"}:                                stageClasses,
	{Group: "resource.k8s.io", Kind: "DeviceClass"}:                             stageClasses,
	{Group: "gateway.networking.k8s.io", Kind: "GatewayClass"}:                  stageClasses,
	{Group: "flowcontrol.apiserver.k8s.io", Kind: "PriorityLevelConfiguration"}: stageClasses,

	{Kind: "ServiceAccount"}: stageAccounts,

	// What limits workloads is there before them.
	{Kind: "ConfigMap"}:     stageConfig,
	{Kind: "Secret"}:        stageConfig,
	{Kind: "ResourceQuota"}: stageConfig,
	{Kind: "LimitRange"}:    stageConfig,
	{Group: "networking.k8s.io", Kind: "NetworkPolicy"}: stageConfig,

	{Kind: "PersistentVolume"}:      stageStorage,
	{Kind: "PersistentVolumeClaim"}: stageStorage,

	{Kind: "Service"}:   stageServices,
	{Kind: "Endpoints"}: stageServices,
	{Group: "discovery.k8s.io", Kind: "EndpointSlice"}: stageServices,

	{Kind: "Pod"}:                   stageWorkloads,
	{Kind: "PodTemplate"}:           stageWorkloads,
	{Kind: "ReplicationController"}: stageWorkloads,
}

// Stage says when an object is applied: all of a stage before any of the next.
// Namespaces come first, then custom resource definitions, classes, service accounts,
// RBAC, configuration, storage, services, workloads, the other built-in kinds, custom
// resources, and last what intercepts requests: API services, admission webhooks and
// policies.
func Stage(group, kind string) int {
	if stage, ok := stages[schema.GroupKind{Group: group, Kind: kind}]; ok {
		return stage
	}
	switch group {
	case "rbac.authorization.k8s.io":
		return stageAccess
	case "apps", "batch":
		return stageWorkloads
	case "apiregistration.k8s.io", "admissionregistration.k8s.io":
		return stageInterception
	}
	if builtIn.Has(group) {
		return stageRest
	}
	return stageCustom
}

// order sorts objects as they are applied: by stage, kind, namespace and name.
func order(objects []Object) {
	slices.SortStableFunc(objects, func(a, b Object) int {
		x, y := a.GroupVersionKind(), b.GroupVersionKind()
		return cmp.Or(
			cmp.Compare(Stage(x.Group, x.Kind), Stage(y.Group, y.Kind)),
			strings.Compare(x.Kind, y.Kind),
			strings.Compare(x.Group, y.Group),
			strings.Compare(a.GetNamespace(), b.GetNamespace()),
			strings.Compare(a.GetName(), b.GetName()),
		)
	})
}
