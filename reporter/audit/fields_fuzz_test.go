package audit

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gitlatch/gitlatch/policy"
)

// FuzzReadFields: managedFields of whatever content are read, or nothing is.
func FuzzReadFields(f *testing.F) {
	for _, text := range []string{`{"f:metadata":{"f:finalizers":{".":{},"v:\"a\"":{}}}}`, `{"f:spec":{"k:{\"a\":1}":{}}}`, `{"f:a":null}`, `null`, `{"":{"":{}}}`, `x`} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		fields := readFields(metav1.NewFieldsV1(string(raw)))
		if onlyFinalizers(fields) && len(policy.FieldPaths(fields)) == 0 {
			t.Error("finalizers alone, of no fields")
		}
	})
}

// FuzzInventory: the entries of an inventory of Flux, and the addresses in an audit log, are anybody's words.
func FuzzInventory(f *testing.F) {
	for _, text := range []string{"prod_web_apps_Deployment", "_admins_rbac.authorization.k8s.io_ClusterRole", "_a__b_g_K", "___", "", "/api/v1/pods?dryRun=All&fieldManager=%zz", "/x?;"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		_, name, _, kind, ok := parseInventory(text)
		if ok != (name != "" && kind != "") {
			t.Errorf("%q names %q of kind %q: %t", text, name, kind, ok)
		}
		parseQuery(text).Get("dryRun")
	})
}
