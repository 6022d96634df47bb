package live

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

func TestWhatIsIgnoredIsSetOnceAndLeftAlone(t *testing.T) {
	c, _ := newCluster(t)
	space := newSpace(t)
	rule := v1alpha1.IgnoreRule{Kind: "Deployment", Fields: []string{"spec.replicas", `spec.template.spec.containers[name="web"].image`}}
	o := prepare(t, c, space, deployment, rule)
	if r := apply(t, c, o, &State{}); r.Action != Created {
		t.Fatal(r.Action)
	}
	replicas := func(want int64) {
		t.Helper()
		if got := field(t, get(t, c, o), "spec", "replicas"); got != want {
			t.Errorf("%v replicas, not %d", got, want)
		}
	}
	replicas(2)
	apply(t, c, o, nil) // nobody else owns it: letting go of it would be to make it 1
	replicas(2)
	if got := get(t, c, o); len(Differences(o, got.Object)) > 0 {
		t.Errorf("different: %+v", Differences(o, got.Object))
	}
	// Git changes its mind, about a thing that is not git's any more.
	four := prepare(t, c, space, strings.Replace(deployment, "replicas: 2", "replicas: 4", 1), rule)
	if four.Hash != o.Hash {
		t.Error("what is ignored is in the hash")
	}
	apply(t, c, four, nil)
	replicas(2)
	kubectl(t, "", "-n", space, "scale", "deployment/web", "--replicas=7") // as the autoscaler does: by the subresource
	for range 3 {
		apply(t, c, o, nil)
		replicas(7)
	}
	// A person's own edit of it is not taken over either.
	kubectl(t, "", "-n", space, "set", "image", "deployment/web", "web=web:hotfix")
	apply(t, c, o, nil)
	live := get(t, c, o)
	containers := field(t, live, "spec", "template", "spec", "containers").([]any)
	if got := containers[0].(map[string]any)["image"]; got != "web:hotfix" {
		t.Errorf("the image is %v", got)
	}
	if d := Differences(o, live.Object); len(d) > 0 {
		t.Errorf("different: %+v", d)
	}
	replicas(7)
	// Without the rule it is git's again.
	plain := prepare(t, c, space, deployment)
	if plain.Hash == o.Hash {
		t.Error("a rule that goes does not show in the hash")
	}
	apply(t, c, plain, nil)
	replicas(2)
}

func TestTheAutoscalersValueStays(t *testing.T) {
	c, _ := newCluster(t)
	space := newSpace(t)
	rule := v1alpha1.IgnoreRule{Group: "apps", Kind: "Deployment", Fields: []string{"spec.replicas"}}
	o := prepare(t, c, space, deployment, rule)
	apply(t, c, o, nil)
	apply(t, c, prepare(t, c, space, strings.Replace(autoscaler, "minReplicas: 2", "minReplicas: 4", 1)), nil)
	replicas := func() any { return field(t, get(t, c, o), "spec", "replicas") }
	eventually(t, "the autoscaler scales to its minimum", 60*time.Second, func() bool { return replicas() == int64(4) })
	for range 3 {
		apply(t, c, o, nil)
	}
	live := get(t, c, o)
	if got := replicas(); got != int64(4) || len(Differences(o, live.Object)) > 0 {
		t.Errorf("%v replicas, and %+v", got, Differences(o, live.Object))
	}
}

func TestReadingIgnoreRules(t *testing.T) {
	for path, want := range map[string]string{ // "": it reads
		"spec.replicas": "",
		`metadata.annotations["example.com/note"]`:    "",
		`.spec.containers[0].image`:                   "",
		`webhooks[*].clientConfig.caBundle`:           "",
		`spec.ports[port=80,protocol="TCP"].nodePort`: "",
		"metadata.finalizers":                         "",
		"":                                            `reading "": the path is empty`,
		"spec..replicas":                              `reading "spec..replicas": a field without a name before ".replicas"`,
		"spec.":                                       `reading "spec.": a field without a name before ""`,
		"spec.containers[name=web]":                   `reading "spec.containers[name=web]": reading the value of name in [name=web]: invalid character 'w' looking for beginning of value`,
		"spec.containers[0":                           `reading "spec.containers[0": a bracket is not closed in "[0"`,
		"spec.containers[]":                           `reading "spec.containers[]": expected an index, *, "name" or name="value" in []`,
		"spec.containers[0]x":                         `reading "spec.containers[0]x": expected a dot or a bracket at "x"`,
		"[0]":                                         `reading "[0]": a path begins with a field`,
		"metadata.name":                               `reading "metadata.name": what names the object can't be left to others`,
		"metadata.labels":                             `reading "metadata.labels": metadata.labels as a whole can't be left to others: name the key`,
		`metadata.labels["gitlatch.dev/sync"]`:        `reading "metadata.labels[\"gitlatch.dev/sync\"]": the marks of Gitlatch can't be left to others`,
		"kind":                                        `reading "kind": what names the object can't be left to others`,
	} {
		err := CheckIgnore([]v1alpha1.IgnoreRule{{Kind: "A", Fields: []string{path}}})
		if want != "" {
			want = "spec.ignore[0].fields[0]: " + want
		}
		got := ""
		if err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%q:\n got %s\nwant %s", path, got, want)
		}
	}
}

func TestTakingOutWhatIsIgnored(t *testing.T) {
	object := func() map[string]any {
		return map[string]any{"spec": map[string]any{
			"replicas": int64(2),
			"items":    []any{map[string]any{"name": "a", "n": int64(1)}, map[string]any{"name": "b", "n": int64(2)}},
		}}
	}
	live := map[string]any{"spec": map[string]any{
		"replicas": int64(7),
		"items":    []any{map[string]any{"name": "b", "n": int64(20)}, map[string]any{"name": "a", "n": int64(10)}},
	}}
	item := func(name string, n any) map[string]any {
		if n == nil {
			return map[string]any{"name": name}
		}
		return map[string]any{"name": name, "n": n}
	}
	for path, want := range map[string][2]any{ // taken out, and replaced by what is live
		"spec.replicas":          {map[string]any{"items": []any{item("a", int64(1)), item("b", int64(2))}}, map[string]any{"replicas": int64(7), "items": []any{item("a", int64(1)), item("b", int64(2))}}},
		"spec.items[*].n":        {map[string]any{"replicas": int64(2), "items": []any{item("a", nil), item("b", nil)}}, map[string]any{"replicas": int64(2), "items": []any{item("a", int64(10)), item("b", int64(20))}}},
		`spec.items[name="b"].n`: {map[string]any{"replicas": int64(2), "items": []any{item("a", int64(1)), item("b", nil)}}, map[string]any{"replicas": int64(2), "items": []any{item("a", int64(1)), item("b", int64(20))}}},
		"spec.items[0]":          {map[string]any{"replicas": int64(2), "items": []any{item("b", int64(2))}}, map[string]any{"replicas": int64(2), "items": []any{item("a", int64(10)), item("b", int64(2))}}},
		"spec.none.at.all":       {object()["spec"], object()["spec"]},
	} {
		p, err := parsePattern(path)
		must(t, err)
		for i, keep := range []bool{false, true} {
			if diff := cmp.Diff(map[string]any{"spec": want[i]}, p.edit(object(), live, keep)); diff != "" {
				t.Errorf("%s, keep %t: %s", path, keep, diff)
			}
		}
	}
}

func FuzzPattern(f *testing.F) {
	for _, seed := range []string{"spec.replicas", `metadata.annotations["a.b/c"]`, "a[0].b", `a[name="x",n=1].b`, "a[*]", "a[", `a["`, "..", `a[b=]`, `a[b="]"]`, "a[b=1e400]"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, err := parsePattern(text)
		if err != nil {
			if p != nil {
				t.Error("a pattern beside an error")
			}
			return
		}
		again, err := parsePattern(p.String())
		if err != nil || again.String() != p.String() || len(again) != len(p) {
			t.Errorf("%q is written as %q, which reads as %q: %v", text, p, again, err)
		}
		p.edit(map[string]any{"a": []any{map[string]any{"b": "c"}, "d"}}, nil, slices.Contains([]byte(text), 'k'))
		_ = p.forbidden()
	})
}
