package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitlatch/gitlatch/policy"
	"github.com/gitlatch/gitlatch/reporter/access"
	"github.com/gitlatch/gitlatch/reporter/audit"
)

// running is what runs in the cluster, or would: the accounts of pods and of what makes
// pods, and the names under which they may write.
type running struct {
	accounts map[string]bool // namespace/name
	names    map[string]bool
	mirrors  int
	noPods   bool // pods could not be read
	partial  bool // pods, or something that makes them, could not
}

func (r *running) pod(namespace string, meta *metav1.ObjectMeta, spec *corev1.PodSpec) {
	account := spec.ServiceAccountName
	if account == "" {
		account = "default"
	}
	r.accounts[namespace+"/"+account] = true
	r.names[account] = true
	for i := range spec.Containers {
		c := &spec.Containers[i]
		r.names[c.Name] = true
		image, _, _ := strings.Cut(c.Image[strings.LastIndexByte(c.Image, '/')+1:], "@")
		image, _, _ = strings.Cut(image, ":")
		r.names[image] = true
		if len(c.Command) > 0 {
			r.names[c.Command[0][strings.LastIndexByte(c.Command[0], '/')+1:]] = true
		}
	}
	if _, mirror := meta.Annotations[corev1.MirrorPodAnnotationKey]; mirror {
		r.mirrors++
	}
}

func (r *running) workload(meta *metav1.ObjectMeta, template *corev1.PodTemplateSpec) {
	r.names[meta.Name] = true
	r.pod(meta.Namespace, &template.ObjectMeta, &template.Spec)
}

// accounts finds service accounts that may write and that nothing here runs as.
func (p *preflighting) accounts(ctx context.Context) error {
	p.running = &running{accounts: map[string]bool{}, names: map[string]bool{}}
	if err := p.readRunning(ctx); err != nil {
		return err
	}
	if err := p.readRights(ctx); err != nil {
		return err
	}
	used, err := p.tokenSecrets(ctx)
	if err != nil {
		return err
	}
	if p.running.noPods { // who runs is not known, and it was said
		return nil
	}
	told := map[string]bool{}
	for i := range p.access.Findings {
		f := &p.access.Findings[i]
		key := f.Subject.Namespace + "/" + f.Subject.Name
		if f.Subject.Kind != rbacv1.ServiceAccountKind || f.Expected != "" || f.Act != access.ActWrite || told[key] || p.running.accounts[key] {
			continue
		}
		if d, denied := p.deniedRight(f); denied {
			told[key] = true
			p.report.add(p.accountFinding(key, f, &d, used[key]))
		}
	}
	return nil
}

func (p *preflighting) accountFinding(key string, f *access.Finding, d *policy.Decision, used time.Time) preflightFinding {
	out := preflightFinding{
		Severity: severityWarns, Check: checkAccounts, Subject: f.Subject.String(),
		Message: fmt.Sprintf("may %s, and no pod runs as it: from outside the cluster it is judged as a person, and denied (%s)", rightsOf(f), d.Reason),
		Next:    "have the pipeline commit to git; or name the account under sync or trusted with podBound: false; or remove " + f.Through.String(),
	}
	if used.After(p.now().Add(-p.recent)) {
		out.Severity = severityBlocks
		out.Last = used
		out.Message += "; a token of it from a Secret was used on " + used.UTC().Format(time.DateOnly)
	}
	return out
}

func rightsOf(f *access.Finding) string {
	if len(f.Rights) == 0 {
		return "write"
	}
	return f.Rights[0].String()
}

// deniedRight asks about a write that the right allows, by the account's own token.
func (p *preflighting) deniedRight(f *access.Finding) (policy.Decision, bool) {
	u := minted(f.Subject.Namespace, f.Subject.Name)
	namespace := f.Namespace
	if namespace == "" {
		namespace = f.Subject.Namespace
	}
	for i := range f.Rights {
		for _, name := range f.Rights[i].Resources {
			for _, k := range p.rights.Kinds {
				if k.Subresource != "" || name != "*" && name != groupedName(k.Group, k.Resource) {
					continue
				}
				in := namespace
				if !k.Namespaced {
					in = ""
				}
				if d := p.decide(sampleWrite(u, k.Group, k.Resource, in)); d.Action == policy.Deny {
					return d, true
				}
			}
		}
	}
	return policy.Decision{}, false
}

// groupedName is a resource as the rights of a finding name it.
func groupedName(group, resource string) string {
	if group == "" {
		return resource
	}
	return group + "/" + resource
}

// readRunning reads pods and what makes them, by pages, and keeps names alone.
func (p *preflighting) readRunning(ctx context.Context) error {
	r := p.running
	for _, kind := range []struct {
		name string
		read func() error
	}{
		{"pods", func() error {
			return access.Pages(ctx, p.reader, &corev1.PodList{}, func(l *corev1.PodList) {
				for i := range l.Items {
					r.pod(l.Items[i].Namespace, &l.Items[i].ObjectMeta, &l.Items[i].Spec)
				}
			})
		}},
		{"deployments", func() error {
			return access.Pages(ctx, p.reader, &appsv1.DeploymentList{}, func(l *appsv1.DeploymentList) {
				for i := range l.Items {
					r.workload(&l.Items[i].ObjectMeta, &l.Items[i].Spec.Template)
				}
			})
		}},
		{"statefulsets", func() error {
			return access.Pages(ctx, p.reader, &appsv1.StatefulSetList{}, func(l *appsv1.StatefulSetList) {
				for i := range l.Items {
					r.workload(&l.Items[i].ObjectMeta, &l.Items[i].Spec.Template)
				}
			})
		}},
		{"daemonsets", func() error {
			return access.Pages(ctx, p.reader, &appsv1.DaemonSetList{}, func(l *appsv1.DaemonSetList) {
				for i := range l.Items {
					r.workload(&l.Items[i].ObjectMeta, &l.Items[i].Spec.Template)
				}
			})
		}},
		{"jobs", func() error {
			return access.Pages(ctx, p.reader, &batchv1.JobList{}, func(l *batchv1.JobList) {
				for i := range l.Items {
					r.workload(&l.Items[i].ObjectMeta, &l.Items[i].Spec.Template)
				}
			})
		}},
		{"cronjobs", func() error {
			return access.Pages(ctx, p.reader, &batchv1.CronJobList{}, func(l *batchv1.CronJobList) {
				for i := range l.Items {
					r.workload(&l.Items[i].ObjectMeta, &l.Items[i].Spec.JobTemplate.Spec.Template)
				}
			})
		}},
	} {
		err := kind.read()
		r.noPods = r.noPods || err != nil && kind.name == "pods"
		r.partial = r.partial || err != nil
		if err := p.unread(checkAccounts, kind.name, err); err != nil {
			return err
		}
	}
	return nil
}

// readRights asks RBAC who may go around git, under these policies, as far as it may be
// read.
func (p *preflighting) readRights(ctx context.Context) error {
	objects, err := access.ReadRights(ctx, p.reader, p.discovery, p.install, func(what string, err error) error {
		return p.unread(checkPoses, what, err)
	})
	if err != nil {
		return err
	}
	if objects.Namespaces == nil {
		p.report.NotExamined = append(p.report.NotExamined, audit.NotExamined{What: "namespaces", Why: "they can't be listed: each is judged as governed"})
	}
	objects.Policies = p.list
	p.rights, p.access = objects, access.Find(objects)
	return nil
}

// tokenSecrets says when a token from a Secret was used last, by account. The API server
// notes the day on the Secret (KEP-2799, legacy-token-last-used); no token is read.
func (p *preflighting) tokenSecrets(ctx context.Context) (map[string]time.Time, error) {
	out := map[string]time.Time{}
	err := p.eachMetadata(ctx, "SecretList", client.MatchingFields{"type": string(corev1.SecretTypeServiceAccountToken)}, func(o *metav1.PartialObjectMetadata) {
		key := o.Namespace + "/" + o.Annotations[corev1.ServiceAccountNameKey]
		used, err := time.Parse(time.DateOnly, o.Labels["kubernetes.io/legacy-token-last-used"])
		if err == nil && used.After(out[key]) {
			out[key] = used
		}
	})
	return out, p.unread(checkAccounts, "secrets", err)
}

// eachMetadata reads the metadata of a core kind by pages.
func (p *preflighting) eachMetadata(ctx context.Context, kind string, selected client.MatchingFields, each func(*metav1.PartialObjectMetadata)) error {
	list := &metav1.PartialObjectMetadataList{}
	list.SetGroupVersionKind(schema.GroupVersionKind{Version: "v1", Kind: kind})
	return access.Pages(ctx, p.reader, list, func(l *metav1.PartialObjectMetadataList) {
		for i := range l.Items {
			each(&l.Items[i])
		}
	}, selected)
}
