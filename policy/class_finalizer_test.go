package policy

import "github.com/gitlatch/gitlatch/api/v1alpha1"

func finalizerCases() []ruleCase {
	ok := allowed(v1alpha1.ClassFinalizer)
	dying := both("metadata|deletionTimestamp", "2026-05-04T12:00:00Z")
	had := was("metadata|finalizers", []any{"ops/x", "ops/y"})
	left := func(f ...any) tweak { return set("metadata|finalizers", append([]any{}, f...)) }
	fin := touches(".metadata.finalizers")
	return []ruleCase{
		{name: "an operator takes its finalizer from a dying declared object", when: []tweak{by(operatorPod()), dying, had, left("ops/y")}, fits: true, want: allowed(v1alpha1.ClassFinalizer, fin)},
		{name: "the last one", when: []tweak{by(operatorPod()), dying, had, set("metadata|finalizers", nil)}, fits: true, want: allowed(v1alpha1.ClassFinalizer, fin)},
		{name: "an account with a minted token", when: []tweak{by(pipeline()), dying, had, left()}, fits: true, want: allowed(v1alpha1.ClassFinalizer, fin)},
		{name: "an undeclared object", when: []tweak{by(pipeline()), undeclaredObject, dying, had, left()}, fits: true, want: ok},
		{name: "alice", when: []tweak{dying, had, left()}, want: webDenied(fin)},
		{name: "impersonation of an account", when: []tweak{by(posing(pipeline())), dying, had, left()}, want: webDenied(fin)},
		{name: "a living object", when: []tweak{by(pipeline()), had, left()}, want: webDenied(fin)},
		{name: "one goes and another comes", when: []tweak{by(pipeline()), dying, had, left("ops/z")}, want: webDenied(fin)},
		{name: "as many as before", when: []tweak{by(pipeline()), dying, had, left("ops/x", "ops/z")}, want: webDenied(fin)},
		{name: "something else as well", when: []tweak{by(pipeline()), dying, had, left(), image}, want: webDenied(touches(`.spec.template.spec.containers[name="web"].image`, ".metadata.finalizers"))},
		{name: "the deletion is taken back", when: []tweak{by(pipeline()), dying, had, left(), set("metadata|deletionTimestamp", nil)}, want: webDenied(fin)},
		{name: "a record of Gitlatch", when: []tweak{by(pipeline()), undeclaredObject, of(v1alpha1.Group, "v1alpha1", "changerecords", "ChangeRecord"), named("", "cr-1"), dying, had, left()},
			want: builtInDenied("gitlatch.dev/ChangeRecord cr-1 is written by Gitlatch alone; a reviewer may set status.review").with(next(""))},
	}
}

func (d Decision) with(more ...func(*Decision)) Decision { return apply(d, more) }
