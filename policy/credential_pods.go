package policy

import (
	"path"
	"slices"
	"strings"
)

// pod: a door into a pod of a guarded account, or a pod that names one.
func (q *question) pod() string {
	r := q.req
	switch r.Subresource {
	case "exec", "attach", "portforward", "proxy", "ephemeralcontainers":
		return q.door()
	case "", "resize":
		if r.Operation == Delete || r.Subresource == "resize" {
			return "" // its resources only
		}
		return q.podSpec(child(r.Old, "spec"), child(r.Object, "spec"))
	}
	return ""
}

// door: what runs in the pod is not in the request, so that the pod is looked
// up. One that does not exist lets nobody in.
func (q *question) door() string {
	if spec := child(q.req.Object, "spec"); q.req.Subresource == "ephemeralcontainers" && spec != nil {
		return q.named(q.req.Namespace, accountOf(spec))
	}
	if !q.home() {
		return "" // whoever runs there is none that is guarded
	}
	pod := q.facts.Pod
	if pod == nil {
		q.missing |= NeedPod
		return "may be a pod of a guarded account, which could not be told"
	}
	if !pod.Found {
		return ""
	}
	name := pod.ServiceAccount
	if name == "" {
		name = "default"
	}
	return q.named(q.req.Namespace, name)
}

// template: a workload whose pods would run as a guarded account. A write that
// leaves the pod's spec as it was makes no new way in.
func (q *question) template() string {
	r := q.req
	if r.Operation != Create && r.Operation != Update || r.Subresource != "" || !q.home() {
		return ""
	}
	return q.podSpec(templateSpec(r.Old), templateSpec(r.Object))
}

// templateSpec finds the pod's spec in a workload: spec.template.spec, a
// CronJob's spec.jobTemplate.spec.template.spec, a PodTemplate's template.spec, a
// ControllerRevision's data.spec.template.spec (from which pods are made as well).
func templateSpec(obj map[string]any) map[string]any {
	for _, way := range [][]string{
		{"spec", "template", "spec"},
		{"spec", "jobTemplate", "spec", "template", "spec"},
		{"template", "spec"},
		{"data", "spec", "template", "spec"},
	} {
		if spec := child(obj, way...); spec != nil {
			return spec
		}
	}
	return nil
}

func (q *question) podSpec(was, is map[string]any) string {
	if is == nil {
		return ""
	}
	why := q.named(q.req.Namespace, accountOf(is))
	if why == "" && was != nil {
		why = q.named(q.req.Namespace, accountOf(was))
	}
	if why == "" || was != nil && equalMaps(was, is) {
		return ""
	}
	return why
}

// accountOf a pod's spec; serviceAccount is the deprecated name of the field.
func accountOf(spec map[string]any) string {
	for _, k := range []string{"serviceAccountName", "serviceAccount"} {
		if name := text(spec, k); name != "" {
			return name
		}
	}
	return "default"
}

// KubeletReads lists how the paths of the kubelet's API begin that read and do nothing else.
func KubeletReads() []string {
	return []string{"metrics", "healthz", "stats", "logs", "containerLogs", "pods", "runningpods", "configz", "spec", "flagz", "statusz"}
}

// nodeProxy: the kubelet's API runs commands in any pod of the node, so that a
// path is let through only where it is known to read.
func (q *question) nodeProxy() string {
	if q.req.Subresource != "proxy" {
		return ""
	}
	first, _, _ := strings.Cut(strings.TrimPrefix(path.Clean("/"+text(q.req.Object, "path")), "/"), "/")
	if first == "" || slices.Contains(KubeletReads(), first) {
		return ""
	}
	return "runs commands in any pod of the node, those of guarded accounts too"
}

// serviceProxy: which pod answers is not in the request.
func (q *question) serviceProxy() string {
	if q.req.Subresource != "proxy" {
		return ""
	}
	in := &q.facts.Install
	if in.Namespace != "" && q.req.Namespace == in.Namespace {
		return "may reach a component of Gitlatch"
	}
	for i := range q.policy.Spec.Sync {
		if a := q.policy.Spec.Sync[i].ServiceAccount; a != nil && a.Namespace == q.req.Namespace {
			return "may reach a pod of " + a.Namespace + "/" + a.Name + ", a sync identity"
		}
	}
	return ""
}
