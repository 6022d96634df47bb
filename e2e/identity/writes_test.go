package identity

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

func configMap(ns, name string) string {
	return fmt.Sprintf("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: %s, namespace: %s, labels: {app: shop}}\ndata: {color: blue}\n", name, ns)
}

// writes are one of each operation on ConfigMaps; settings is declared.
func writes(ns string) []request {
	const at = "/configmaps/settings"
	return []request{
		{http.MethodPost, core + ns + "/configmaps", configMap(ns, "mine"), ""},
		{http.MethodPatch, core + ns + at, `{"data":{"color":"red"}}`, ""},
		{http.MethodDelete, core + ns + at, "", ""},
	}
}

// recordedIn are the denials of somebody in one namespace.
func recordedIn(t *testing.T, user, ns string) []string {
	t.Helper()
	var got []string
	for _, r := range here.Records(t, func(r *v1alpha1.ChangeRecord) bool {
		return r.Spec.Requester.Username == user && r.Spec.Outcome == v1alpha1.OutcomeDenied && r.Spec.Request.Namespace == ns
	}) {
		q := r.Spec.Request
		got = append(got, strings.TrimSuffix(q.Operation+" "+q.Resource+"/"+q.Name+"/"+q.Subresource, "/"))
	}
	slices.Sort(got)
	return got
}
