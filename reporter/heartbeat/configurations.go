package heartbeat

import (
	"context"
	"fmt"
	"strings"
	"time"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

const (
	// configurationName is that of both.
	configurationName = "gitlatch"
	// registrar is the field manager of who keeps them.
	registrar = "gitlatch-webhook"
	// settle is how long the configurations may take to follow the policies.
	settle = 5 * time.Second
	// olderKept is how many earlier expectations may still stand meanwhile.
	olderKept = 8
)

// live are the configurations as they stand; nil: there is none.
type live struct {
	gate  *admissionv1.MutatingWebhookConfiguration
	final *admissionv1.ValidatingWebhookConfiguration
}

// readLive reads both past any cache.
func readLive(ctx context.Context, reader client.Reader) (live, error) {
	l := live{gate: &admissionv1.MutatingWebhookConfiguration{}, final: &admissionv1.ValidatingWebhookConfiguration{}}
	for _, o := range []client.Object{l.gate, l.final} {
		err := reader.Get(ctx, client.ObjectKey{Name: configurationName}, o)
		switch {
		case apierrors.IsNotFound(err) && o == client.Object(l.gate):
			l.gate = nil
		case apierrors.IsNotFound(err):
			l.final = nil
		case err != nil:
			return live{}, fmt.Errorf("reading the %s %s: %w", kindOf(o), configurationName, err)
		}
	}
	return l, nil
}

// changed is one of the two, as a watch told of it; a deletion has gone set.
type changed struct {
	object client.Object
	gone   bool
}

// with is the same with one of the two as it was told of.
func (l live) with(c *changed) live {
	if c == nil {
		return l
	}
	switch o := c.object.(type) {
	case *admissionv1.MutatingWebhookConfiguration:
		if l.gate = o; c.gone {
			l.gate = nil
		}
	case *admissionv1.ValidatingWebhookConfiguration:
		if l.final = o; c.gone {
			l.final = nil
		}
	}
	return l
}

// off is the reason on the off switch; false: it is not set.
func (l live) off() (Fault, bool) {
	for _, o := range l.both() {
		if o == nil {
			continue
		}
		if reason, set := o.GetAnnotations()[v1alpha1.AnnotationOff]; set {
			if reason == "" {
				reason = "no reason given"
			}
			manager, at := lastWriter(o)
			return Fault{Cause: CauseSwitchedOff, Manager: manager, Detail: fmt.Sprintf("%s says %s: %q%s",
				kindOf(o), v1alpha1.AnnotationOff, reason, writtenBy(manager, at))}, true
		}
	}
	return Fault{}, false
}

// both are the configurations; nil where there is none.
func (l live) both() [2]client.Object {
	var out [2]client.Object
	if l.gate != nil {
		out[0] = l.gate
	}
	if l.final != nil {
		out[1] = l.final
	}
	return out
}

func (e *Expected) both() [2]client.Object { return [2]client.Object{e.Gate, e.Final} }

func kindOf(o client.Object) string {
	if _, ok := o.(*admissionv1.MutatingWebhookConfiguration); ok {
		return "MutatingWebhookConfiguration"
	}
	return "ValidatingWebhookConfiguration"
}

// comparison remembers what was expected before: when a policy changes, the
// configurations follow within moments, and meanwhile stand as they did.
type comparison struct {
	// differences lists what is not as it should be; none where all that matters is.
	differences func(live, want client.Object) []string

	current *Expected
	since   time.Time // when it became what is expected
	before  []*Expected
}

// expect takes what is expected now.
func (c *comparison) expect(e *Expected, now time.Time) {
	if c.current != nil && sameConfigurations(c.current, e) {
		c.current = e
		return
	}
	if c.current != nil {
		c.before = append(c.before, c.current)
		c.before = c.before[max(0, len(c.before)-olderKept):]
	}
	c.current, c.since = e, now
}

func sameConfigurations(a, b *Expected) bool {
	return equality.Semantic.DeepEqual(a.Gate, b.Gate) && equality.Semantic.DeepEqual(a.Final, b.Final)
}

// faults are what is not as it should be.
func (c *comparison) faults(l live, now time.Time) []Fault {
	var out []Fault
	for i, have := range l.both() {
		want := c.current.both()[i]
		if have == nil {
			out = append(out, Fault{Cause: CauseConfigurationMissing, Detail: kindOf(want) + " " + configurationName + " is gone"})
			continue
		}
		differs := c.differences(have, want)
		if len(differs) == 0 || now.Sub(c.since) < settle && c.following(have, i) {
			continue
		}
		manager, at := lastWriter(have)
		out = append(out, Fault{Cause: CauseConfigurationChanged, Manager: manager, Detail: fmt.Sprintf("%s %s is not as the policies want it: %s%s",
			kindOf(have), configurationName, some(differs), writtenBy(manager, at))})
	}
	return out
}

// following: it stands as was expected a moment ago, or was written last by who keeps it.
func (c *comparison) following(have client.Object, i int) bool {
	if manager, _ := lastWriter(have); manager == "" {
		return true
	}
	for _, e := range c.before {
		if len(c.differences(have, e.both()[i])) == 0 {
			return true
		}
	}
	return false
}

// lastWriter is who wrote last, by a name that the client chose; "": who keeps it did, or
// it can't be told: who only removes fields owns none.
func lastWriter(o client.Object) (manager string, at time.Time) {
	for _, e := range o.GetManagedFields() {
		if e.Time != nil && !e.Time.Time.Before(at) {
			manager, at = e.Manager, e.Time.Time
		}
	}
	if manager == registrar {
		return "", at
	}
	return manager, at
}

func writtenBy(manager string, at time.Time) string {
	if manager == "" {
		return ""
	}
	return fmt.Sprintf(", last written by field manager %q at %s", manager, at.UTC().Format(time.RFC3339))
}

// some joins the first of many.
func some(list []string) string {
	const most = 5
	if n := len(list); n > most {
		return strings.Join(list[:most], "; ") + fmt.Sprintf("; and %d more", n-most)
	}
	return strings.Join(list, "; ")
}
