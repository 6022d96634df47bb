package applier

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

// reselected is web under another selector, which no API server changes.
func reselected() string { return strings.ReplaceAll(deployment, "app: web", "app: shop") }

// Scenario 18: without spec.force an immutable field is a clear failure that names the
// object and the field, and the rest of the commit is applied; with it the object is
// created anew.
func TestAnImmutableFieldFailsClearlyOrIsMetByARecreation(t *testing.T) {
	w := newProject(t, "")
	w.write("deploy/web.yaml", deployment)
	w.write("deploy/app.yaml", configMap("app"))
	first := w.commit("declare web and app")
	w.follow()
	w.applied(first)
	uid, version := w.get("deployment/web", ".metadata.uid"), w.get("deployment/web", ".metadata.resourceVersion")

	w.write("deploy/web.yaml", reselected())
	w.write("deploy/app.yaml", strings.ReplaceAll(configMap("app"), "info", "debug"))
	second := w.commit("select another label")
	message := w.refused(second, v1alpha1.SyncApplyFailed)
	want := strings.ReplaceAll("applying apps/Deployment NS/web: spec.selector can't be changed on a live object; "+
		"spec.force deletes it and creates it anew: ", "NS", w.namespace)
	if !strings.HasPrefix(message, want) || !strings.Contains(message, "field is immutable") {
		t.Errorf("the message is\n%s\nnot\n%s… field is immutable", message, want)
	}
	if got := w.get("configmap/app", ".data.level"); got != "debug" {
		t.Errorf("app's level is %q: the immutable field stopped the rest", got)
	}
	if w.get("deployment/web", ".metadata.resourceVersion") != version || w.get("deployment/web", ".metadata.uid") != uid {
		t.Error("web was touched without spec.force")
	}

	declare(t, w.manifest("force: true"))
	w.applied(second)
	if got := w.get("deployment/web", ".metadata.uid"); got == uid {
		t.Error("web was not created anew")
	}
	if got := w.get("deployment/web", ".spec.selector.matchLabels.app"); got != "shop" {
		t.Errorf("web selects %q", got)
	}
	eventually(t, "the old ReplicaSets to be collected", func(context.Context) error {
		if got := w.get("replicasets", ".items[*].metadata.labels.app"); got != "shop" {
			return errors.New("they are of " + got)
		}
		return nil
	})
}

// With spec.force, what could not be created again is not deleted: a typo costs
// nothing, nor does an object whose deletion would take data along.
func TestForceDeletesNothingThatCouldNotBeCreatedAgain(t *testing.T) {
	w := newProject(t, "")
	claim := "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: data, namespace: NS}\n" +
		"spec: {accessModes: [ReadWriteOnce], storageClassName: slow, resources: {requests: {storage: 1Gi}}}\n"
	w.write("deploy/web.yaml", deployment)
	w.write("deploy/data.yaml", claim)
	w.write("deploy/binding.yaml", binding("reader"))
	good := w.commit("declare web, its data, and who reads")
	w.follow("force: true")
	w.applied(good)
	uids := func() [3]string {
		return [3]string{
			w.get("deployment/web", ".metadata.uid"), w.get("persistentvolumeclaim/data", ".metadata.uid"), w.get("rolebinding/readers", ".metadata.uid"),
		}
	}
	before := uids()
	for _, test := range []struct {
		name, file, content string
		want                []string
	}{
		{"a selector that does not fit the template", "deploy/web.yaml", strings.Replace(deployment, "matchLabels: {app: web}", "matchLabels: {app: shop}", 1),
			[]string{"applying apps/Deployment NS/web (deploy/web.yaml): ", "selector"}},
		{"an immutable field, and a value that there is not", "deploy/web.yaml", strings.Replace(reselected(), "image: registry.example/web:1", "image: registry.example/web:1\n        imagePullPolicy: Sometimes", 1),
			[]string{"applying apps/Deployment NS/web (deploy/web.yaml): ", "imagePullPolicy"}},
		{"an immutable field, and a name that is none", "deploy/binding.yaml", strings.Replace(binding("other"), "name: alice", "name: ''", 1),
			[]string{"applying rbac.authorization.k8s.io/RoleBinding NS/readers (deploy/binding.yaml): ", "subjects[0].name"}},
		{"a claim, whose data would go", "deploy/data.yaml", strings.Replace(claim, "slow", "fast", 1),
			[]string{"applying PersistentVolumeClaim NS/data: spec can't be changed on a live object, and it is not created anew: " +
				"what a PersistentVolumeClaim holds would be lost; delete it yourself, if that is meant"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := *w
			w.t = t
			w.write(test.file, test.content)
			message := w.refused(w.commit(test.name), v1alpha1.SyncApplyFailed)
			for _, want := range test.want {
				if want = strings.ReplaceAll(want, "NS", w.namespace); !strings.Contains(message, want) {
					t.Errorf("the message lacks %q: %s", want, message)
				}
			}
			if after := uids(); after != before {
				t.Errorf("something was deleted: the uids were %v and are %v", before, after)
			}
			if err := w.repo.Reset(good); err != nil {
				t.Fatal(err)
			}
			if err := w.repo.ForcePush(); err != nil {
				t.Fatal(err)
			}
			w.applied(good)
		})
	}
}

// binding lets alice have a role, which is immutable.
func binding(role string) string {
	return "apiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\nmetadata: {name: readers, namespace: NS}\n" +
		"roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: " + role + "}\n" +
		"subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: alice}]\n"
}
