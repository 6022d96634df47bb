package identity

import (
	"fmt"
	"strings"
)

// version of a custom kind.
type version struct {
	name   string
	served bool
}

// crdOf is a custom kind with a status and a scale, as git would bring it; the first version is stored.
func crdOf(group, plural, kind string, versions ...version) string {
	text := fmt.Sprintf(`apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: %[2]s.%[1]s}
spec:
  group: %[1]s
  names: {plural: %[2]s, singular: %[3]s, kind: %[4]s, listKind: %[4]sList}
  scope: Namespaced
  versions:
`, group, plural, strings.ToLower(kind), kind)
	for i, v := range versions {
		text += fmt.Sprintf("  - name: %s\n    served: %t\n    storage: %t\n", v.name, v.served, i == 0) + `    subresources: {status: {}, scale: {specReplicasPath: .spec.replicas, statusReplicasPath: .status.replicas}}
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec: {type: object, x-kubernetes-preserve-unknown-fields: true, properties: {replicas: {type: integer}}}
          status: {type: object, x-kubernetes-preserve-unknown-fields: true, properties: {replicas: {type: integer}}}
`
	}
	return text
}

func objectOf(apiVersion, kind, ns, name, spec string) string {
	return fmt.Sprintf("apiVersion: %s\nkind: %s\nmetadata: {name: %s, namespace: %s}\nspec: {%s}\n", apiVersion, kind, name, ns, strings.TrimSpace(spec))
}
