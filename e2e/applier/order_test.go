package applier

import "testing"

// Scenario 13: a namespace, a definition, a resource of its kind and a workload in one
// commit converge in one sync, in any order of files.
func TestOneCommitBringsAKindAndWhatIsOfIt(t *testing.T) {
	w := newProject(t, "")
	group := named("gadgets") + ".example.com"
	// Sorted by name, everything comes before what it needs.
	w.write("deploy/a-gadget.yaml", "apiVersion: "+group+"/v1\nkind: Gadget\nmetadata: {name: first, namespace: NS}\nspec: {size: 3}\n")
	w.write("deploy/b-web.yaml", deployment)
	w.write("deploy/z-crd.yaml", `apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: gadgets.`+group+`}
spec:
  group: `+group+`
  scope: Namespaced
  names: {kind: Gadget, plural: gadgets, singular: gadget, listKind: GadgetList}
  versions:
  - name: v1
    served: true
    storage: true
    schema:
      openAPIV3Schema:
        type: object
        properties: {spec: {type: object, properties: {size: {type: integer}}}}
`)
	commit := w.commit("declare a kind and one of it")
	w.follow()
	s := w.applied(commit)
	if got := len(s.Status.History); got != 1 {
		t.Errorf("it took %d syncs", got)
	}
	if got := w.get("gadgets."+group+"/first", ".spec.size"); got != "3" {
		t.Errorf("the gadget's size is %q", got)
	}
	if got := w.get("deployment/web", ".spec.replicas"); got != "2" {
		t.Errorf("web has %q replicas", got)
	}
}

// deployment is web, with two replicas.
const deployment = `apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: NS, labels: {app: web}}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - name: web
        image: registry.example/web:1
        env: [{name: LEVEL, value: info}]
`
