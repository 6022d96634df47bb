package policy

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

// What an admitted change took from git is guarded by its record until git owns it
// again: from then on as git's own, and nothing beside it is.
func TestAGuardIsOfNoMoreUseOnceGitOwnsThePathAgain(t *testing.T) {
	const side = `.spec.template.spec.containers[name="side"]`
	pull := func(o map[string]any) { containerOf(o, 1)["imagePullPolicy"] = "Always" }
	check := func(want, got []string) {
		t.Helper()
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("touched (-want +got):\n%s", diff)
		}
	}
	l := newLive(t, deploymentKind())
	if err := l.apply(git, object(podTemplate)); err != nil {
		t.Fatal(err)
	}
	l.update("oncall", func(o map[string]any) {
		podSpecOf(o)["containers"] = list(podSpecOf(o), "containers")[:1]
	})
	removed := l.now()
	l.update("bob", func(o map[string]any) {
		podSpecOf(o)["containers"] = append(list(podSpecOf(o), "containers"), map[string]any{"name": "side", "image": "evil:1"})
	})
	check([]string{side}, inspected(t, removed, l.now(), side).paths)

	eroded := l.now()
	l.update("operator", pull)
	check([]string{side}, inspected(t, eroded, l.now(), side).paths)

	if err := l.apply(git, object(podTemplate)); err != nil {
		t.Fatal(err)
	}
	old := l.now()
	l.update("operator", func(o map[string]any) { containerOf(o, 1)["imagePullPolicy"] = "Never" })
	check(nil, inspected(t, old, l.now(), side).paths)
	old = l.now()
	l.update("bob", func(o map[string]any) { containerOf(o, 1)["image"] = "evil:1" })
	check([]string{side + ".image"}, inspected(t, old, l.now(), side).paths)
}

func TestWhatAnEntryHolds(t *testing.T) {
	fields := object(`{
		"f:metadata": {"f:annotations": {}, "f:labels": {"f:app": {}}},
		"f:spec": {"f:selector": {}, "f:ports": {'k:{"port":80,"protocol":"TCP"}': {".": {}, "f:name": {}}}, "f:set": {'v:"a"': {}}}
	}`)
	for path, want := range map[string]bool{
		".metadata.labels.app":                         true,
		".metadata.labels.team":                        false,
		".metadata.labels":                             true,
		`.metadata.annotations["a.b/c"]`:               false,
		".spec.selector.app":                           true,
		`.spec.ports[port=80,protocol="TCP"]`:          true,
		`.spec.ports[port=80,protocol="TCP"].name`:     true,
		`.spec.ports[port=80,protocol="TCP"].nodePort`: false,
		`.spec.ports[port=80,protocol="UDP"]`:          false,
		`.spec.set[="a"]`:                              true,
		`.spec.set[="b"]`:                              false,
		".spec.replicas":                               false,
	} {
		steps, err := parsePath(path)
		if err != nil {
			t.Fatal(err)
		}
		if got := holds(fields, steps); got != want {
			t.Errorf("%s: %t, want %t", path, got, want)
		}
	}
}

// The record of an admitted scale guards the replicas, so it must know whether git
// declared them, though no rule had to ask.
func TestAnAdmittedScaleTellsWhatItTouches(t *testing.T) {
	for manager, want := range map[string][]string{git: {".spec.replicas"}, "kubectl": nil} {
		s := newScene()
		s.spec.Mode = v1alpha1.ModeAudit
		for _, tweak := range []tweak{
			sub("scale"), objects(`{kind: Scale, metadata: {name: web}, spec: {replicas: 3}}`), set("spec|replicas", int64(5)),
			was("metadata|managedFields", []any{map[string]any{"manager": manager, "operation": "Apply", "fieldsType": "FieldsV1",
				"fieldsV1": map[string]any{"f:spec": map[string]any{"f:replicas": map[string]any{}}}}}),
		} {
			tweak(s)
		}
		d := Decide(s.req, []*Policy{s.policy(t)}, s.facts)
		if diff := cmp.Diff(want, d.Touched); diff != "" || d.Action != Flag {
			t.Errorf("%s: %s touches (-want +got):\n%s", manager, d.Action, diff)
		}
	}
}
