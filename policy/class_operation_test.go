package policy

import (
	"time"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

func operationCases() []ruleCase {
	var out []ruleCase
	for _, o := range theOperations() {
		for _, v := range []v1alpha1.Verdict{v1alpha1.VerdictAllow, v1alpha1.VerdictFlag, v1alpha1.VerdictDeny} {
			c := ruleCase{name: string(v) + " " + o.what, fits: true, when: append(append([]tweak{}, o.when...), spec(func(s *v1alpha1.ChangePolicySpec) { *o.field(&s.Operations) = v }))}
			switch v {
			case v1alpha1.VerdictAllow:
				c.want = allowed(v1alpha1.ClassOperation)
			case v1alpha1.VerdictFlag:
				c.want = flagged(v1alpha1.ClassOperation, v1alpha1.ReasonOperation, o.target+" is "+o.what+", which this policy flags")
			default:
				c.want = denied(v1alpha1.ClassOperation, v1alpha1.ReasonOperation, o.target+" is "+o.what+", which this policy denies")
			}
			out = append(out, c)
		}
	}
	return append(out, operationEdges()...)
}

type anOperation struct {
	what, target string
	field        func(*v1alpha1.Operations) *v1alpha1.Verdict
	when         []tweak
}

const runningPod = `{metadata: {name: web, ownerReferences: [{controller: true, uid: u}]}, spec: {serviceAccountName: app}}`

func appPod(f *Facts) { f.Pod = &PodFact{Found: true, ServiceAccount: "app"} }

func onPod(more ...tweak) []tweak {
	return append([]tweak{of("", "v1", "pods", "Pod"), objects(runningPod), facts(appPod)}, more...)
}

func onNode(more ...tweak) []tweak {
	return append([]tweak{of("", "v1", "nodes", "Node"), named("", "n1"), objects(`{metadata: {name: n1}, spec: {taints: [{key: a, effect: NoSchedule}]}}`)}, more...)
}

func restarted(s *scene) {
	set("spec|template|metadata|annotations|kubectl.kubernetes.io/restartedAt", "now")(s)
}

func onFlux(more ...tweak) []tweak {
	return append([]tweak{of("kustomize.toolkit.fluxcd.io", "v1", "kustomizations", "Kustomization"), undeclaredObject}, more...)
}

func onArgo(more ...tweak) []tweak {
	return append([]tweak{of("argoproj.io", "v1alpha1", "applications", "Application"), undeclaredObject}, more...)
}

func theOperations() []anOperation {
	type ops = v1alpha1.Operations
	type verdict = v1alpha1.Verdict
	exec := func(o *ops) *verdict { return &o.Exec }
	proxy := func(o *ops) *verdict { return &o.Proxy }
	cordon := func(o *ops) *verdict { return &o.Cordon }
	reconcile := func(o *ops) *verdict { return &o.Reconcile }
	suspend := func(o *ops) *verdict { return &o.Suspend }
	const door, bridge, sync, pause = "an open door into a running pod", "a proxy", "a request to sync now", "a suspension"
	const debug, anew = "a debug container in a running pod", "a deletion of a pod that its controller makes anew"
	taints := []any{map[string]any{"key": "a", "effect": "NoSchedule"}, map[string]any{"key": unschedulable, "effect": "NoSchedule"}}
	return []anOperation{
		{"an eviction", "pods/eviction prod/web", func(o *ops) *verdict { return &o.Evict }, onPod(creates(`{kind: Eviction}`), sub("eviction"))},
		{anew, "Pod prod/web", func(o *ops) *verdict { return &o.DeletePod }, onPod(deletes)},
		{"a cordon", "Node n1", cordon, onNode(set("spec|unschedulable", true))},
		{"a cordon", "Node n1", cordon, onNode(set("spec|unschedulable", true), set("spec|taints", taints))},
		{"a rollout restart", "apps/Deployment prod/web", func(o *ops) *verdict { return &o.Restart }, []tweak{restarted}},
		{sync, "kustomize.toolkit.fluxcd.io/Kustomization prod/web", reconcile, onFlux(set("metadata|annotations|reconcile.fluxcd.io/requestedAt", "now"))},
		{sync, "argoproj.io/Application prod/web", reconcile, onArgo(set("metadata|annotations|argocd.argoproj.io/refresh", "hard"))},
		{sync, "argoproj.io/Application prod/web", reconcile, onArgo(set("metadata|annotations|argocd.argoproj.io/refresh", "normal"), set("metadata|annotations|argocd.argoproj.io/hydrate", "normal"))},
		{pause, "kustomize.toolkit.fluxcd.io/Kustomization prod/web", suspend, onFlux(set("spec|suspend", true))},
		{pause, "argoproj.io/Application prod/web", suspend, onArgo(was("spec|syncPolicy|automated", map[string]any{"prune": true}), set("spec|syncPolicy", map[string]any{}))},
		{door, "pods/exec prod/web", exec, onPod(connects("exec", `{}`))},
		{door, "pods/attach prod/web", exec, onPod(connects("attach", `{}`))},
		{door, "pods/portforward prod/web", exec, onPod(connects("portforward", `{}`))},
		{bridge, "pods/proxy prod/web", proxy, onPod(connects("proxy", `{}`))},
		{bridge, "services/proxy prod/web", proxy, []tweak{of("", "v1", "services", "Service"), connects("proxy", `{}`)}},
		{bridge, "nodes/proxy n1", proxy, onNode(connects("proxy", `{path: metrics}`))},
		{debug, "pods/ephemeralcontainers prod/web", func(o *ops) *verdict { return &o.EphemeralContainers }, onPod(sub("ephemeralcontainers"), set("spec|ephemeralContainers", []any{"x"}))},
	}
}

func operationEdges() []ruleCase {
	deny := spec(func(s *v1alpha1.ChangePolicySpec) { s.Operations.Restart = v1alpha1.VerdictDeny })
	restart := "apps/Deployment prod/web is a rollout restart, which this policy denies"
	window := facts(func(f *Facts) {
		f.BreakGlass, f.Windows = Authorized, []Window{webWindow("oncall", noon().Add(time.Minute))}
	})
	within := func(d *Decision) {
		w := webWindow("oncall", noon().Add(time.Minute))
		d.Within, d.Record = &w, v1alpha1.OutcomeBreakGlass
	}
	nodeDenied := denied(v1alpha1.ClassOutOfBand, v1alpha1.ReasonOutOfBand, "Node n1 is changed through git only")
	podDenied := denied(v1alpha1.ClassOutOfBand, v1alpha1.ReasonOutOfBand, "Pod prod/web is changed through git only")
	return []ruleCase{
		{name: "a denied restart inside a window", fits: true, when: []tweak{by(oncall()), restarted, deny, window},
			want: flagged(v1alpha1.ClassBreakGlass, v1alpha1.ReasonBreakGlass, "apps/Deployment prod/web is changed under break-glass", within)},
		{name: "a denied restart under Audit is recorded", fits: true, when: []tweak{restarted, deny, mode(v1alpha1.ModeAudit)},
			want: denied(v1alpha1.ClassOperation, v1alpha1.ReasonOperation, restart, recordedOnly(v1alpha1.ModeAudit))},
		{name: "a denied restart by oncall asks for windows", fits: true, when: []tweak{by(oncall()), restarted, deny},
			want: denied(v1alpha1.ClassOperation, v1alpha1.ReasonOperation, restart, emergency, missing(NeedWindows))},
		{name: "a restart that changes an image too", when: []tweak{restarted, image}, want: webDenied(touches(`.spec.template.spec.containers[name="web"].image`))},
		{name: "a restart annotation elsewhere", when: []tweak{set("metadata|annotations|kubectl.kubernetes.io/restartedAt", "now")}, want: webDenied()},
		{name: "the deletion of a bare pod", when: onPod(was("metadata|ownerReferences", nil), deletes), want: podDenied},
		{name: "the deletion of a pod whose owner does not control it", when: onPod(was("metadata|ownerReferences", []any{map[string]any{"controller": "true"}}), deletes), want: podDenied},
		{name: "a cordon that adds another taint", when: onNode(set("spec|unschedulable", true), set("spec|taints", []any{map[string]any{"key": "b"}})), want: nodeDenied},
		{name: "a cordon that evicts", when: onNode(set("spec|unschedulable", true), set("spec|taints", []any{map[string]any{"key": unschedulable, "effect": "NoExecute"}})), want: nodeDenied},
		{name: "a cordon that labels", when: onNode(set("spec|unschedulable", true), set("metadata|labels|x", "y")), want: nodeDenied},
		{name: "a suspension that changes the path as well", when: onFlux(set("spec|suspend", true), set("spec|path", "evil")), want: denied(v1alpha1.ClassOutOfBand, v1alpha1.ReasonOutOfBand, "kustomize.toolkit.fluxcd.io/Kustomization prod/web is changed through git only")},
		{name: "a group that only ends like Flux's", when: []tweak{of("evil-toolkit.fluxcd.io", "v1", "kustomizations", "Kustomization"), undeclaredObject, set("spec|suspend", true)},
			want: denied(v1alpha1.ClassOutOfBand, v1alpha1.ReasonOutOfBand, "evil-toolkit.fluxcd.io/Kustomization prod/web is changed through git only")},
		{name: "a request to sync that asks for break-glass", when: onFlux(set("metadata|annotations|"+v1alpha1.AnnotationBreakGlass, "x"), set("metadata|annotations|reconcile.fluxcd.io/requestedAt", "now")),
			want: denied(v1alpha1.ClassBreakGlass, v1alpha1.ReasonBreakGlassUnauthorized, "kustomize.toolkit.fluxcd.io/Kustomization prod/web may be opened by group oncall only")},
	}
}
