package live

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gitlatch/gitlatch/applier/desired"
)

func TestPrepare(t *testing.T) {
	c, calls := newCluster(t)
	o := prepare(t, c, "prod", `
apiVersion: v1
kind: Secret
metadata:
  name: db
  labels: {a: b, gitlatch.dev/sync: forged}
  annotations: {gitlatch.dev/prune: disabled, gitlatch.dev/commit: forged}
  uid: x
  resourceVersion: "1"
  generation: 4
  creationTimestamp: null
  managedFields: [{manager: x}]
data: {user: YQ==}
stringData: {password: b}
status: {x: y}
`)
	want := Object{
		Ref:    Ref{Key: Key{Kind: "Secret", Namespace: "prod", Name: "db"}, Version: "v1"},
		Source: "clusters/prod/db.yaml", Sync: mark, KeepsData: true, Secret: true,
		Stage: desired.Stage("", "Secret"), Hash: o.Hash,
		Payload: []byte(`{"metadata":{"annotations":{"gitlatch.dev/prune":"disabled","gitlatch.dev/source":"clusters/prod/db.yaml"},"labels":{"a":"b","gitlatch.dev/sync":"gitlatch-system.prod"},"name":"db","namespace":"prod"},"apiVersion":"v1","data":{"password":"Yg==","user":"YQ=="},"kind":"Secret"}`),
	}
	if diff := cmp.Diff(want, *o, cmp.AllowUnexported(Object{})); diff != "" {
		t.Error(diff)
	}
	sent := string(body(o.Payload, `3f "a"`, conditions{uid: "u", resourceVersion: "7"}))
	if !strings.HasPrefix(sent, `{"metadata":{"uid":"u","resourceVersion":"7","annotations":{"gitlatch.dev/commit":"3f \"a\"","gitlatch.dev/prune":"disabled",`) {
		t.Error(sent)
	}
	calls.take()
	var many []desired.Object
	for _, name := range strings.Fields("a b c d e f g h") {
		many = append(many, declare(t, strings.Replace(configMap, "settings", name, 1)))
	}
	if _, err := c.Prepare(many, Preparation{Mark: mark}); err != nil || len(calls.take()) > 0 {
		t.Errorf("kinds are asked for again: %v", err)
	}
}

func TestTheInputOfPrepareStaysAsItIs(t *testing.T) {
	c, _ := newCluster(t)
	in := declare(t, `{apiVersion: v1, kind: Secret, metadata: {name: a, labels: {a: b}}, stringData: {k: v}}`)
	before := in.DeepCopy()
	_, err := c.Prepare([]desired.Object{in}, Preparation{Mark: mark, Namespace: "prod"})
	must(t, err)
	if diff := cmp.Diff(before.Object, in.Object); diff != "" {
		t.Error(diff)
	}
}

func TestWhatCannotBePreparedNamesTheFile(t *testing.T) {
	c, _ := newCluster(t)
	for want, text := range map[string]string{
		`clusters/prod/a.yaml (example.com/Shop a): the cluster does not serve example.com/Shop in version v1, and no CustomResourceDefinition of the sync declares it`:    `{apiVersion: example.com/v1, kind: Shop, metadata: {name: a}}`,
		`clusters/prod/a.yaml (apps/Deployment a): the cluster does not serve apps/Deployment in version v1beta1, and no CustomResourceDefinition of the sync declares it`: `{apiVersion: apps/v1beta1, kind: Deployment, metadata: {name: a}}`,
		`clusters/prod/a.yaml (Namespace b/a): Namespace is cluster-scoped: it can't be in namespace "b"`:                                                                  `{apiVersion: v1, kind: Namespace, metadata: {name: a, namespace: b}}`,
		`clusters/prod/.yaml (ConfigMap ): it has no name; generateName can't be declared`:                                                                                 `{apiVersion: v1, kind: ConfigMap, metadata: {generateName: a-}}`,
		`clusters/prod/a.yaml (ConfigMap a): metadata.labels["x"] is no text: quote it`:                                                                                    `{apiVersion: v1, kind: ConfigMap, metadata: {name: a, labels: {x: 1}}}`,
		`clusters/prod/a.yaml (ConfigMap a): metadata.annotations is no map`:                                                                                               `{apiVersion: v1, kind: ConfigMap, metadata: {name: a, annotations: [n]}}`,
		`clusters/prod/a.yaml (Secret a): stringData["pin"] is no text: quote it`:                                                                                          `{apiVersion: v1, kind: Secret, metadata: {name: a}, stringData: {pin: 4711}}`,
	} {
		_, err := c.Prepare([]desired.Object{declare(t, text)}, Preparation{Mark: mark})
		var e *desired.Error
		if !errors.As(err, &e) || err.Error() != want {
			t.Errorf("got  %v\nwant %s", err, want)
		}
	}
	twice := declare(t, strings.Replace(configMap, "name: settings", "name: settings, namespace: prod", 1))
	twice.Source = "other.yaml"
	_, err := c.Prepare([]desired.Object{declare(t, configMap), twice}, Preparation{Mark: mark, Namespace: "prod"})
	want := "other.yaml (ConfigMap prod/settings): with its default namespace it is ConfigMap prod/settings, which clusters/prod/settings.yaml declares too"
	if err == nil || err.Error() != want {
		t.Errorf("got %v", err)
	}
}

func TestNoValueOfASecretIsShown(t *testing.T) {
	c, _ := newCluster(t)
	space := newSpace(t)
	const value = "hunter2-and-more"
	for name, text := range map[string]string{
		"a number where text belongs": `{apiVersion: v1, kind: Secret, metadata: {name: a}, data: {pin: 47114711}}`,
		"no base64":                   `{apiVersion: v1, kind: Secret, metadata: {name: a}, data: {pin: ` + value + `}}`,
		"an unknown field":            `{apiVersion: v1, kind: Secret, metadata: {name: a}, ` + value + `: 1}`,
		"an invalid type":             `{apiVersion: v1, kind: Secret, metadata: {name: a}, type: kubernetes.io/dockerconfigjson, stringData: {.dockerconfigjson: ` + value + `}}`,
		"an invalid label":            `{apiVersion: v1, kind: Secret, metadata: {name: a, labels: {a: ` + value + `!}}}`,
	} {
		_, err := c.Apply(t.Context(), prepare(t, c, space, text), ApplyOptions{})
		if err == nil || strings.Contains(err.Error(), value) || strings.Contains(err.Error(), "4711") {
			t.Errorf("%s: %v", name, err)
		}
		if err != nil && !strings.HasPrefix(err.Error(), "applying Secret "+space+"/a (clusters/prod/a.yaml): the API server refused it (") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
