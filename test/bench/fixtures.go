package main

import (
	"fmt"
	"strings"
)

// Namespaces: denied in the one, flagged in the other.
const (
	enforced = "bench"
	audited  = "bench-audit"
)

// targets is how many declared ConfigMaps of the name target-N there are in each namespace.
const targets = 50

const policyCluster = `apiVersion: gitlatch.dev/v1alpha1
kind: ChangePolicy
metadata: {name: cluster}
spec:
  mode: Enforce
  match:
    namespaceSelector: {matchExpressions: [{key: gate, operator: DoesNotExist}]}
    excludeNamespaces: [kube-node-lease]
    excludeResources: [{apiGroups: [certificates.k8s.io], resources: ["*"]}]` + carriers

const policyAudit = `apiVersion: gitlatch.dev/v1alpha1
kind: ChangePolicy
metadata: {name: audit}
spec:
  mode: Audit
  match:
    clusterScoped: false
    namespaceSelector: {matchLabels: {gate: audit}}` + carriers

const carriers = `
  sync:
  - serviceAccount: {namespace: gitops, name: sync}
    fieldManagers: [sync]
  breakGlass:
    allowedGroups: [oncall]
    maxDuration: 1h
    reasonPattern: '^(INC|OPS)-[0-9]+: .{10,}'
`

// declared is what git declares: ConfigMaps of ordinary size.
func declared() string {
	var b strings.Builder
	for _, ns := range []struct{ name, labels string }{{enforced, "{}"}, {audited, "{gate: audit}"}} {
		fmt.Fprintf(&b, "apiVersion: v1\nkind: Namespace\nmetadata: {name: %s, labels: %s}\n---\n", ns.name, ns.labels)
		for i := range targets {
			fmt.Fprintf(&b, "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: %s, namespace: %s, labels: {app: shop}}\ndata:\n", target(i), ns.name)
			for k, v := range data() {
				fmt.Fprintf(&b, "  %s: %q\n", k, v)
			}
			fmt.Fprintln(&b, "---")
		}
	}
	return b.String()
}

func target(i int) string { return fmt.Sprintf("target-%d", i%targets) }

func data() map[string]string {
	d := map[string]string{"color": "blue"}
	for i := range 10 {
		d[fmt.Sprintf("key-%d", i)] = fmt.Sprintf("a value of an ordinary length, number %d", i)
	}
	return d
}
