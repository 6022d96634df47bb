package live

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gitlatch/gitlatch/applier/desired"
)

const definitionText = `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: shops.live.example.com}
spec:
  group: live.example.com
  scope: Cluster
  names: {kind: Shop, plural: shops, singular: shop, listKind: ShopList}
  versions:
  - name: v1
    served: true
    storage: true
    subresources: {status: {}}
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec: {type: object, properties: {size: {type: string}, open: {type: boolean}}}
          status: {type: object, x-kubernetes-preserve-unknown-fields: true}
`

func TestADefinitionAndItsResourceInOneSet(t *testing.T) {
	c, _ := newCluster(t)
	set := []desired.Object{
		declare(t, `{apiVersion: live.example.com/v1, kind: Shop, metadata: {name: corner}, spec: {size: 1000m, open: false}}`),
		declare(t, definitionText),
	}
	prepared, err := c.Prepare(set, Preparation{Mark: mark, Namespace: "prod"})
	must(t, err)
	shop, definition := &prepared[0], &prepared[1]
	if shop.Namespace != "" || shop.Stage <= definition.Stage {
		t.Errorf("scope or stage of %+v", shop.Ref)
	}
	apply(t, c, definition, nil)
	must(t, c.Established(t.Context(), []Ref{definition.Ref, {Key: Key{Kind: "ConfigMap", Name: "a"}, Version: "v1"}}, 20*time.Second))
	first := apply(t, c, shop, &State{})
	if second := apply(t, c, shop, &first.State); second.Action != Unchanged {
		t.Errorf("again: %s", second.Action)
	}
	kubectl(t, "", "patch", "shop", "corner", "--type=merge", "-p", `{"spec":{"size":"1"}}`)
	d := Differences(shop, get(t, c, shop).Object)
	if len(d) != 1 || d[0].Path != ".spec.size" {
		t.Errorf("text of a custom resource is no quantity: %+v", d)
	}
	typo := prepare(t, c, "", `{apiVersion: live.example.com/v1, kind: Shop, metadata: {name: corner}, spec: {sise: a}}`)
	if _, err := c.Apply(t.Context(), typo, ApplyOptions{}); err == nil || !strings.Contains(err.Error(), `sise`) {
		t.Errorf("an unknown field: %v", err)
	}
	kubectl(t, "", "patch", "shop", "corner", "--subresource=status", "--type=merge", "-p", `{"status":{"conditions":[{"type":"Ready","status":"False","reason":"Closed","message":"nobody is here"}]}}`)
	unhealthy, err := c.Health(t.Context(), []Ref{shop.Ref, definition.Ref})
	must(t, err)
	if diff := cmp.Diff([]Unhealthy{{Ref: shop.Ref, Message: "nobody is here"}}, unhealthy); diff != "" {
		t.Error(diff)
	}
	kubectl(t, "", "delete", "crd", "shops.live.example.com")
	if got, err := c.Delete(t.Context(), shop.Ref, mark); err != nil || got != Gone {
		t.Errorf("its kind is gone: %s, %v", got, err)
	}
}

func TestADefinitionThatIsNotEstablishedIsExplained(t *testing.T) {
	c, _ := newCluster(t)
	text := strings.NewReplacer("live.example.com", "taken.example.com", "shops", "traders", "Shop", "Trader", "singular: shop", "singular: trader").Replace(definitionText)
	apply(t, c, prepare(t, c, "", text), nil)
	other := prepare(t, c, "", strings.NewReplacer("traders", "dealers", "TraderList", "DealerList", "singular: trader", "singular: dealer").Replace(text))
	apply(t, c, other, nil)
	err := c.Established(t.Context(), []Ref{other.Ref}, 2*time.Second)
	if err == nil || !strings.Contains(err.Error(), `"Trader" is already in use`) {
		t.Errorf("got %v", err)
	}
}

func TestHealth(t *testing.T) {
	c, calls := newCluster(t)
	space := newSpace(t)
	var refs []Ref
	for i := range 6 {
		o := prepare(t, c, space, strings.Replace(deployment, "name: web}", fmt.Sprintf("name: web-%d}", i), 1))
		apply(t, c, o, nil)
		refs = append(refs, o.Ref)
	}
	for _, text := range []string{configMap, secret, service} {
		o := prepare(t, c, space, text)
		apply(t, c, o, nil)
		refs = append(refs, o.Ref)
	}
	missing := refs[0]
	missing.Name = "web-9"
	calls.take()
	eventually(t, "the deployments are observed", 20*time.Second, func() bool {
		unhealthy, err := c.Health(t.Context(), append(refs, missing))
		must(t, err)
		var got []string
		for _, u := range unhealthy {
			got = append(got, fmt.Sprintf("%s %t %s", u.Ref.Name, u.Failed, u.Message))
		}
		want := []string{
			"web-0 false Available: 0/2", "web-1 false Available: 0/2", "web-2 false Available: 0/2", "web-3 false Available: 0/2",
			"web-4 false Available: 0/2", "web-5 false Available: 0/2", "web-9 false it is not there",
		}
		made := calls.take()
		if len(made) != 3 { // a list, the missing one, the service
			t.Errorf("calls: %v", made)
		}
		return cmp.Equal(want, got)
	})
}
