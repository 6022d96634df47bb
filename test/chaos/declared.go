package main

import (
	"fmt"
	"strings"

	"github.com/gitlatch/gitlatch/test/gitlatch"
)

// Namespaces that git declares: under the one a person is denied, under the other warned and recorded.
const (
	enforced = "chaos"
	warned   = "chaos-warn"
)

// targets is how many ConfigMaps of the name target-N git declares in each namespace.
const targets = 50

// policyWarn governs the namespaces labelled gate=warn; gitlatch.EnforceAll the others.
const policyWarn = `apiVersion: gitlatch.dev/v1alpha1
kind: ChangePolicy
metadata: {name: warn}
spec:
  mode: Warn
  match:
    clusterScoped: false
    namespaceSelector: {matchLabels: {gate: warn}}
  sync:
  - serviceAccount: {namespace: gitops, name: sync}
    fieldManagers: [sync]
`

// policyEnforce is [gitlatch.EnforceAll] but for the namespaces of [policyWarn].
func policyEnforce() string {
	return strings.Replace(gitlatch.EnforceAll(), "  match:\n",
		"  match:\n    namespaceSelector: {matchExpressions: [{key: gate, operator: NotIn, values: [warn]}]}\n", 1)
}

// declared is what git declares: ConfigMaps of ordinary size.
func declared() string {
	var b strings.Builder
	for _, ns := range []struct{ name, labels string }{{enforced, "{}"}, {warned, "{gate: warn}"}} {
		fmt.Fprintf(&b, "apiVersion: v1\nkind: Namespace\nmetadata: {name: %s, labels: %s}\n---\n", ns.name, ns.labels)
		for i := range targets {
			fmt.Fprintf(&b, "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: %s, namespace: %s, labels: {app: shop}}\ndata:\n", target(i), ns.name)
			fmt.Fprintln(&b, "  color: blue")
			for k := range 10 {
				fmt.Fprintf(&b, "  key-%d: a value of an ordinary length, number %d\n", k, k)
			}
			fmt.Fprintln(&b, "---")
		}
	}
	return b.String()
}

func target(i int) string { return fmt.Sprintf("target-%d", i%targets) }
