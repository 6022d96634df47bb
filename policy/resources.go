package policy

import (
	"slices"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

const (
	appsGroup         = "apps"
	batchGroup        = "batch"
	rbacGroup         = "rbac.authorization.k8s.io"
	crdGroup          = "apiextensions.k8s.io"
	crdResource       = "customresourcedefinitions"
	certificatesGroup = "certificates.k8s.io"
	csrResource       = "certificatesigningrequests"
)

// NeverAsked lists what no policy governs, so that the API server never asks
// about it: what components write by the second to say that they live, and
// questions that change nothing. subresource is "" for the resource itself.
func NeverAsked(group, resource, subresource string) bool {
	switch group {
	case "":
		return resource == "events" || resource == "componentstatuses" || resource == "bindings" ||
			resource == "pods" && subresource == "binding"
	case "events.k8s.io":
		return resource == "events"
	case "coordination.k8s.io":
		return resource == "leases"
	case "authentication.k8s.io":
		return resource == "tokenreviews" || resource == "selfsubjectreviews"
	case "authorization.k8s.io":
		switch resource {
		case "subjectaccessreviews", "localsubjectaccessreviews",
			"selfsubjectaccessreviews", "selfsubjectrulesreviews":
			return true
		}
	}
	return false
}

func anyResource(rules []v1alpha1.ResourceRule, group, resource string) bool {
	for i := range rules {
		r := &rules[i]
		if has(r.APIGroups, group) && has(r.Resources, resource) {
			return true
		}
	}
	return false
}

func has(list []string, s string) bool {
	return slices.Contains(list, s) || slices.Contains(list, "*")
}

func (r *Request) isResource(group, resource string) bool {
	return r.Resource.Group == group && r.Resource.Resource == resource
}

// isNamespace and isCRD: deleting one deletes what is in it.
func (r *Request) isNamespace() bool { return r.isResource("", "namespaces") }
func (r *Request) isCRD() bool       { return r.isResource(crdGroup, crdResource) }
