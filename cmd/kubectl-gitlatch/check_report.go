package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/validate/content"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	metav1validation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/gitlatch/gitlatch/applier/desired"
)

// reporter collects what is wrong with one object.
type reporter struct {
	object   *desired.Object
	severity string // left out: an error
	// quiet: errors that may quote a value say only what kind of error they are.
	quiet bool
	// closed: values of it are encrypted, so that their form says nothing.
	closed bool
	found  []finding
}

func (r *reporter) add(reason, key, message string) {
	r.found = append(r.found, finding{
		Severity: cmp.Or(r.severity, severityError), File: r.object.Source, Object: keyOf(r.object).String(),
		Key: strings.TrimPrefix(key, "."), Reason: reason, Message: message,
	})
}

// mistyped reports that a value does not fit its type.
func (r *reporter) mistyped(err error) {
	text := clean(err).Error()
	if found := mistypes.FindStringSubmatch(text); found != nil {
		is, wanted := typeName(found[1]), typeName(found[3])
		switch {
		case r.closed && is == "text": // as it may be only while it is encrypted
		case is == "" || wanted == "":
			r.add(reasonSchema, found[2], "has a value of the wrong type")
		default:
			r.add(reasonSchema, found[2], fmt.Sprintf("is %s, and should be %s", is, wanted))
		}
		return
	}
	switch {
	case r.closed:
	case r.quiet:
		r.add(reasonSchema, "", "does not fit its schema; why is left out, since it may show a value")
	default:
		r.add(reasonSchema, "", text)
	}
}

// addAll reports what a validation of the API server's found.
func (r *reporter) addAll(reason string, wrong field.ErrorList) {
	for _, e := range wrong {
		switch {
		case r.closed && encrypted(e.BadValue) && e.Type != field.ErrorTypeRequired:
			continue
		case r.quiet && e.Type != field.ErrorTypeRequired:
			r.add(reason, e.Field, strings.ToLower(e.Type.String()))
		default:
			r.add(reason, e.Field, clean(fmt.Errorf("%s", e.ErrorBody())).Error())
		}
	}
}

// checkMetadata judges what every kind has.
func checkMetadata(r *reporter) {
	at := field.NewPath("metadata")
	if wrong := content.IsPathSegmentName(r.object.GetName()); len(wrong) > 0 {
		r.add(reasonMetadata, "metadata.name", strings.Join(wrong, ", "))
	}
	if namespace := r.object.GetNamespace(); namespace != "" {
		if wrong := apivalidation.ValidateNamespaceName(namespace, false); len(wrong) > 0 {
			r.add(reasonMetadata, "metadata.namespace", strings.Join(wrong, ", "))
		}
	}
	quiet := *r
	quiet.found = nil
	quiet.addAll(reasonMetadata, slices.Concat(
		metav1validation.ValidateLabels(r.object.GetLabels(), at.Child("labels")),
		apivalidation.ValidateAnnotations(r.object.GetAnnotations(), at.Child("annotations")),
	))
	r.found = append(r.found, quiet.found...)
}

// clusterScoped tells the kinds of Kubernetes, and of Gitlatch, that are in no namespace.
func clusterScoped(kind schema.GroupKind) bool {
	switch kind.Group {
	case "admissionregistration.k8s.io", "apiextensions.k8s.io", "apiregistration.k8s.io", "flowcontrol.apiserver.k8s.io",
		"internal.apiserver.k8s.io", "node.k8s.io", "scheduling.k8s.io", "storagemigration.k8s.io":
		return kind != schema.GroupKind{Group: "scheduling.k8s.io", Kind: "Workload"} &&
			kind != schema.GroupKind{Group: "scheduling.k8s.io", Kind: "PodGroup"}
	case "storage.k8s.io":
		return kind.Kind != "CSIStorageCapacity"
	case "authentication.k8s.io":
		return true
	case "authorization.k8s.io":
		return kind.Kind != "LocalSubjectAccessReview"
	case "certificates.k8s.io":
		return kind.Kind != "PodCertificateRequest"
	case "rbac.authorization.k8s.io":
		return strings.HasPrefix(kind.Kind, "Cluster")
	case "resource.k8s.io":
		return !strings.HasPrefix(kind.Kind, "ResourceClaim")
	case "networking.k8s.io":
		return slices.Contains([]string{"IngressClass", "IPAddress", "ServiceCIDR"}, kind.Kind)
	case "gitlatch.dev":
		return kind.Kind != "GitSync"
	case "":
		return slices.Contains([]string{"Namespace", "Node", "PersistentVolume", "ComponentStatus"}, kind.Kind)
	}
	return false
}
