package live

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

const job = `
apiVersion: batch/v1
kind: Job
metadata: {name: migrate}
spec: {suspend: true, template: {spec: {restartPolicy: Never, containers: [{name: a, image: "a:1"}]}}}
`

const statefulSet = `
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db}
spec:
  serviceName: db
  persistentVolumeClaimRetentionPolicy: {whenDeleted: Delete, whenScaled: Retain}
  selector: {matchLabels: {app: db}}
  template: {metadata: {labels: {app: db}}, spec: {containers: [{name: db, image: "db:1"}]}}
`

const claim = `
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data}
spec: {storageClassName: a, accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
`

const binding = `
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: readers}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: view}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: alice}]
`

func TestAnImmutableChange(t *testing.T) {
	for name, test := range map[string]struct {
		text    string
		change  [2]string
		fields  []string // that can't be changed
		refused string   // part of the reason why it is not made anew although force is set; "": it is
	}{
		"the image of a Job":           {text: job, change: [2]string{"a:1", "a:2"}, fields: []string{"spec.template.spec"}},
		"the selector of a Deployment": {text: deployment, change: [2]string{"app: web", "app: shop"}, fields: []string{"spec.selector"}},
		"the address of a Service":     {text: strings.Replace(service, "spec: {", "spec: {clusterIP: 10.0.0.77, ", 1), change: [2]string{"10.0.0.77", "10.0.0.78"}, fields: []string{"spec.clusterIPs[0]"}},
		"the role of a binding":        {text: binding, change: [2]string{"name: view", "name: edit"}, fields: []string{"roleRef"}},
		"an immutable ConfigMap":       {text: strings.Replace(configMap, " data:", " immutable: true, data:", 1), change: [2]string{"green", "red"}, fields: []string{"data"}},
		"an immutable Secret":          {text: strings.Replace(secret, "stringData:", "immutable: true, stringData:", 1), change: [2]string{"hunter2", "other"}, fields: []string{"data"}},
		"with a mistake in it too":     {text: deployment, change: [2]string{"app: web", "app: Not_Valid-"}},
		"whose new form can't be created": {
			text: job, change: [2]string{`containers: [{name: a, image: "a:1"}]`, `containers: [{name: a, image: "a:2", volumeMounts: [{name: nothing, mountPath: /x}]}]`},
		},
		"a claim": {
			text: claim, change: [2]string{"storageClassName: a", "storageClassName: b"}, fields: []string{"spec"},
			refused: "what a PersistentVolumeClaim holds would be lost",
		},
		"a StatefulSet that takes its claims along": {
			text: statefulSet, change: [2]string{"serviceName: db", "serviceName: other"}, fields: []string{"spec.serviceName"},
			refused: "persistentVolumeClaimRetentionPolicy",
		},
		"what is not to be pruned": {
			text: strings.Replace(job, "metadata: {", "metadata: {annotations: {gitlatch.dev/prune: disabled}, ", 1), change: [2]string{"a:1", "a:2"},
			fields: []string{"spec.template.spec"}, refused: "gitlatch.dev/prune",
		},
	} {
		t.Run(name, func(t *testing.T) {
			c, _ := newCluster(t)
			space := newSpace(t)
			text := test.text
			if name == "the address of a Service" { // the tests' range of addresses is the cluster's own
				probe := prepare(t, c, space, strings.Replace(service, "name: web", "name: probe", 1))
				apply(t, c, probe, nil)
				ip := field(t, get(t, c, probe), "spec", "clusterIP").(string)
				prefix := ip[:strings.LastIndex(ip, ".")+1]
				text, test.change = strings.Replace(text, "10.0.0.77", prefix+"77", 1), [2]string{prefix + "77", prefix + "78"}
			}
			before := apply(t, c, prepare(t, c, space, text), nil)
			o := prepare(t, c, space, strings.ReplaceAll(text, test.change[0], test.change[1]))
			_, err := c.Apply(t.Context(), o, ApplyOptions{})
			var fixed *ImmutableError
			switch {
			case test.fields == nil:
				if err == nil || errors.As(err, &fixed) {
					t.Fatalf("got %v", err)
				}
			case !errors.As(err, &fixed):
				t.Fatalf("got %v", err)
			default:
				if diff := cmp.Diff(test.fields, fixed.Fields); diff != "" {
					t.Error(diff)
				}
			}
			if strings.Contains(err.Error(), "hunter") || strings.Contains(err.Error(), "aHVudGVy") {
				t.Error("the error shows a value")
			}
			r, err := c.Apply(t.Context(), o, ApplyOptions{Force: true})
			after, lookErr := c.Look(t.Context(), o.Ref)
			must(t, lookErr)
			if test.fields != nil && test.refused == "" {
				must(t, err)
				if r.Action != Recreated || after.UID == before.State.UID {
					t.Errorf("it is %s", r.Action)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), test.refused) {
				t.Errorf("got %v", err)
			}
			if after.UID != before.State.UID || after.Deleting {
				t.Error("it was deleted")
			}
		})
	}
}

func TestForceRefusedWhereTheNewObjectIsWrong(t *testing.T) {
	c, _ := newCluster(t)
	space := newSpace(t)
	// That the change is not allowed is all that the update says; that the namespace
	// takes no other job shows in the dry run alone.
	kubectl(t, `{apiVersion: v1, kind: ResourceQuota, metadata: {name: full}, spec: {hard: {count/jobs.batch: "1"}}}`, "-n", space, "create", "-f", "-")
	eventually(t, "the quota counts", 20*time.Second, func() bool {
		return kubectl(t, "", "-n", space, "get", "quota", "full", "-o", "jsonpath={.status.hard}") != ""
	})
	before := apply(t, c, prepare(t, c, space, job), nil)
	eventually(t, "the quota is used up", 20*time.Second, func() bool {
		return strings.Contains(kubectl(t, "", "-n", space, "get", "quota", "full", "-o", "jsonpath={.status.used}"), `"1"`)
	})
	o := prepare(t, c, space, strings.Replace(job, "a:1", "a:2", 1))
	_, err := c.Apply(t.Context(), o, ApplyOptions{Force: true})
	var fixed *ImmutableError
	if !errors.As(err, &fixed) || fixed.Refused == nil || !strings.Contains(err.Error(), "exceeded quota") {
		t.Errorf("got %v", err)
	}
	if state, _ := c.Look(t.Context(), o.Ref); state.UID != before.State.UID || state.Deleting {
		t.Error("it was deleted")
	}
}

func TestWhatTheIdentityMayNotIsAnError(t *testing.T) {
	c, _ := newCluster(t)
	o := prepare(t, c, newSpace(t), configMap)
	apply(t, c, o, nil)
	config := adminConfig(t)
	config.Impersonate.UserName = "reader"
	kubectl(t, "", "create", "clusterrolebinding", "reader", "--clusterrole=view", "--user=reader")
	tenant, err := New(config)
	must(t, err)
	eventually(t, "the reader may read", 10*time.Second, func() bool { _, err := tenant.Look(t.Context(), o.Ref); return err == nil })
	if got, err := tenant.Delete(t.Context(), o.Ref, mark); !apierrors.IsForbidden(err) {
		t.Errorf("delete: %s, %v", got, err)
	}
	if _, err := tenant.Apply(t.Context(), o, ApplyOptions{}); !apierrors.IsForbidden(err) {
		t.Errorf("apply: %v", err)
	}
}

func TestAFinalizerHoldsUpTheRecreation(t *testing.T) {
	c, _ := newCluster(t)
	space := newSpace(t)
	held := strings.Replace(job, "metadata: {", "metadata: {finalizers: [example.com/hold], ", 1)
	apply(t, c, prepare(t, c, space, held), nil)
	o := prepare(t, c, space, strings.Replace(held, "a:1", "a:2", 1))
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	_, err := c.Apply(ctx, o, ApplyOptions{Force: true})
	if err == nil || !strings.Contains(err.Error(), "finalizers hold it: example.com/hold") {
		t.Errorf("got %v", err)
	}
	kubectl(t, "", "-n", space, "patch", "job", "migrate", "--type=json", "-p", `[{"op":"remove","path":"/metadata/finalizers"}]`)
	eventually(t, "the job is gone", 10*time.Second, func() bool { s, err := c.Look(t.Context(), o.Ref); return err == nil && s == State{} })
	if r := apply(t, c, o, nil); r.Action != Created {
		t.Errorf("the next run: %s", r.Action)
	}
}

func TestDelete(t *testing.T) {
	for name, test := range map[string]struct {
		text   string
		before func(t *testing.T, space string)
		mark   string
		want   Deletion
	}{
		"ours":                {text: configMap, want: Deleted},
		"another sync's":      {text: configMap, mark: "a.b", want: NotOurs},
		"under no mark":       {text: configMap, mark: "-", want: NotOurs},
		"spared":              {text: strings.Replace(configMap, "metadata: {", "metadata: {annotations: {gitlatch.dev/prune: disabled}, ", 1), want: Spared},
		"held by a finalizer": {text: strings.Replace(configMap, "metadata: {", "metadata: {finalizers: [example.com/hold], ", 1), want: Deleting},
		"gone":                {text: configMap, want: Gone, before: func(t *testing.T, space string) { kubectl(t, "", "-n", space, "delete", "configmap", "settings") }},
		"whose mark was stripped": {text: configMap, want: NotOurs, before: func(t *testing.T, space string) {
			kubectl(t, "", "-n", space, "label", "configmap", "settings", v1alpha1.LabelSync+"-")
		}},
		"made anew by somebody": {text: configMap, want: NotOurs, before: func(t *testing.T, space string) {
			kubectl(t, "", "-n", space, "delete", "configmap", "settings")
			kubectl(t, configMap, "-n", space, "create", "-f", "-")
		}},
	} {
		t.Run(name, func(t *testing.T) {
			c, _ := newCluster(t)
			space := newSpace(t)
			o := prepare(t, c, space, test.text)
			apply(t, c, o, nil)
			if test.before != nil {
				test.before(t, space)
			}
			with := mark
			if test.mark != "" {
				with = strings.Trim(test.mark, "-")
			}
			got, err := c.Delete(t.Context(), o.Ref, with)
			must(t, err)
			if got != test.want {
				t.Errorf("got %s, not %s", got, test.want)
			}
		})
	}
	c, _ := newCluster(t)
	got, err := c.Delete(t.Context(), Ref{Key: Key{"example.com", "Nothing", "a", "b"}, Version: "v1"}, mark)
	if got != Gone || err != nil {
		t.Errorf("of a kind that is gone: %s, %v", got, err)
	}
}
