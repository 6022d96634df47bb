package live

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/policy"
)

const ports = `{apiVersion: v1, kind: Service, metadata: {name: web}, spec: {selector: {app: web}, ports: [{name: a, port: 80}, {name: b, port: 443, protocol: TCP}, {name: c, port: 8080, targetPort: http}]}}`

func TestAClaimIsWholeAfterAnApply(t *testing.T) {
	for name, text := range map[string]string{
		"a map":                 configMap,
		"lists by key, and env": deployment,
		"ports by number":       ports,
		"values that are empty": `{apiVersion: v1, kind: Pod, metadata: {name: web, finalizers: [example.com/a]}, spec: {automountServiceAccountToken: false, nodeSelector: {disk: none}, volumes: [{name: a, emptyDir: {}}], tolerations: [{operator: Exists}], containers: [{name: web, image: "web:1", command: [a, b], resources: {}, env: [{name: A, value: ""}]}]}}`,
		"an atomic list":        `{apiVersion: rbac.authorization.k8s.io/v1, kind: Role, metadata: {name: web}, rules: [{apiGroups: [""], resources: [pods], verbs: [get]}]}`,
		"stringData":            `{apiVersion: v1, kind: Secret, metadata: {name: web}, stringData: {a: b}, data: {c: ZA==}}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, _ := newCluster(t)
			o := prepare(t, c, newSpace(t), text)
			r := apply(t, c, o, nil)
			found := get(t, c, o)
			if !Whole(o, found) || r.Claim == (Claim{}) || ClaimOn(o, found) != r.Claim || len(c.Surplus(o, found)) > 0 {
				t.Errorf("whole %t, claim %x, found %x, surplus %+v: %v", Whole(o, found), r.Claim, ClaimOn(o, found), c.Surplus(o, found), found.GetManagedFields())
			}
			state, err := c.Look(t.Context(), o.Ref)
			must(t, err)
			if state.Hold != c.StateOf(found).Hold {
				t.Error("the whole object and its metadata show another claim")
			}
		})
	}
}

func TestAClaimThatIsNotWhole(t *testing.T) {
	for name, test := range map[string]struct {
		by      func(t *testing.T, c *Cluster, o *Object)
		surplus []policy.Change
	}{
		"a field was changed and changed back": {by: func(t *testing.T, c *Cluster, o *Object) {
			patchAs(t, c, o, "kubectl", `{"spec":{"replicas":5}}`, "scale")
			patchAs(t, c, o, "kubectl", `{"spec":{"replicas":2}}`, "scale")
		}},
		"a field of an item was changed and changed back": {by: func(t *testing.T, c *Cluster, o *Object) {
			for _, image := range []string{"web:2", "web:1"} {
				kubectl(t, "", "-n", o.Namespace, "set", "image", "deployment/web", "web="+image)
			}
		}},
		"managedFields were emptied": {by: func(t *testing.T, c *Cluster, o *Object) {
			patchAs(t, c, o, "operator", `{"metadata":{"managedFields":[{}]}}`)
		}},
		"more was applied under our name": {
			by: func(t *testing.T, c *Cluster, o *Object) {
				more := *o
				more.Payload = []byte(strings.Replace(string(o.Payload), `"replicas":2`, `"replicas":2,"paused":true`, 1))
				_, _, err := c.send(t.Context(), &more, write{payload: more.Payload})
				must(t, err)
			},
			surplus: []policy.Change{{Path: ".spec.paused", From: true, HasFrom: true}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, _ := newCluster(t)
			o := prepare(t, c, newSpace(t), deployment)
			first := apply(t, c, o, nil)
			test.by(t, c, o)
			found := get(t, c, o)
			if Whole(o, found) || ClaimOn(o, found) == first.Claim {
				t.Errorf("it is taken for whole: %v", found.GetManagedFields())
			}
			if diff := cmp.Diff(test.surplus, c.Surplus(o, found)); diff != "" {
				t.Errorf("surplus: %s", diff)
			}
			if d := Differences(o, found.Object); len(d) > 0 {
				t.Errorf("different: %+v", d)
			}
			if r := apply(t, c, o, nil); r.Claim != first.Claim || !Whole(o, get(t, c, o)) {
				t.Errorf("an apply does not make it whole: %x, was %x", r.Claim, first.Claim)
			}
		})
	}
}

func TestWhatIsLeftToOthersIsNotClaimed(t *testing.T) {
	c, _ := newCluster(t)
	o := prepare(t, c, newSpace(t), deployment, v1alpha1.IgnoreRule{Kind: "Deployment", Fields: []string{"spec.replicas"}})
	r := apply(t, c, o, nil)
	patchAs(t, c, o, "operator", `{"spec":{"replicas":5}}`)
	if found := get(t, c, o); !Whole(o, found) || ClaimOn(o, found) != r.Claim {
		t.Errorf("its claim is another: %v", found.GetManagedFields())
	}
}

func TestAFirmApplyWritesNothingOverWhatItDoesNotKnow(t *testing.T) {
	for name, by := range map[string]func(t *testing.T, c *Cluster, o *Object){
		"it was written": func(t *testing.T, c *Cluster, o *Object) {
			patchAs(t, c, o, "kubectl-edit", `{"data":{"colour":"red"}}`)
		},
		"it was deleted": func(t *testing.T, c *Cluster, o *Object) {
			kubectl(t, "", "-n", o.Namespace, "delete", "configmap", "settings")
		},
		"it was made anew": func(t *testing.T, c *Cluster, o *Object) {
			kubectl(t, "", "-n", o.Namespace, "delete", "configmap", "settings")
			kubectl(t, configMap, "-n", o.Namespace, "create", "-f", "-")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, calls := newCluster(t)
			o := prepare(t, c, newSpace(t), configMap)
			known := apply(t, c, o, nil).State
			by(t, c, o)
			before, _ := c.Look(t.Context(), o.Ref)
			calls.take()
			_, err := c.Apply(t.Context(), o, ApplyOptions{Known: &known, Firm: true})
			if made := calls.take(); !Moved(err) || len(made) != 1 {
				t.Errorf("got %v with %v", err, made)
			}
			if after, _ := c.Look(t.Context(), o.Ref); after != before {
				t.Errorf("it was written: %+v, was %+v", after, before)
			}
		})
	}
}
