package access

import (
	"slices"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/policy"
)

// Kind is a resource, or a subresource, that the API server serves.
type Kind struct {
	Group, Resource, Subresource string
	Namespaced                   bool
	Verbs                        []string
}

func (k *Kind) itself() bool { return k.Group == coreGroup && k.Resource == "namespaces" }

// Namespace is a namespace that is there.
type Namespace struct {
	Name   string
	Labels map[string]string
}

// kindQuestions: the verbs that change each kind, and breakglass.
func (j *judge) kindQuestions() []question {
	var out []question
	for i := range j.objects.Kinds {
		k := &j.objects.Kinds[i]
		if policy.NeverAsked(k.Group, k.Resource, k.Subresource) || k.Group == admissionGroup && slices.Contains(exempt(), k.Resource) {
			continue
		}
		base := question{
			group: k.Group, resource: k.Resource, subresource: k.Subresource, anywhere: k.Namespaced, itself: k.itself(),
			answer: func(namespace string) answer { return j.cover(k, namespace) },
		}
		if k.Subresource == "" {
			out = append(out, j.glass(base, k))
		}
		if q, ok := j.writes(base, k); ok {
			out = append(out, q)
		}
	}
	return out
}

// glass: the verb alone is half of the right, so that whoever holds it by "*" is not
// told of unless their group is on a policy's list.
func (j *judge) glass(q question, k *Kind) question {
	q.act, q.verbs = ActBreakGlass, []string{"breakglass"}
	q.answer = func(namespace string) answer {
		return answer{governed: len(j.groups) > 0 && j.cover(k, namespace).governed}
	}
	return q
}

func (j *judge) writes(q question, k *Kind) (question, bool) {
	q.act = ActWrite
	for _, verb := range writeVerbs() {
		if slices.Contains(k.Verbs, verb) {
			q.verbs = append(q.verbs, verb)
		}
	}
	switch {
	case len(q.verbs) == 0, k.Subresource == "token", k.Subresource == "proxy", slices.Contains(doors(), k.Subresource) && k.Resource == "pods":
		return q, false // a verb, or an act, of its own
	case k.Group == v1alpha1.Group && k.Subresource != "":
		return q, false // a review: see gitlatch-reviewer
	case j.steers(k):
		q.act = ActPolicy
	}
	return q, true
}
