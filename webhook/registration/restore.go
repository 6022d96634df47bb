package registration

import (
	"context"
	"fmt"
	"time"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

// ensureOne writes a configuration where it differs. It returns how long to wait
// when somebody else keeps on changing it; zero: it stands as it should.
// live is nil when there is none.
func (r *Reconciler) ensureOne(ctx context.Context, live, want client.Object) (time.Duration, error) {
	kind := kindOf(want)
	var differs []string
	if live != nil {
		if differs = differences(live, want); len(differs) == 0 {
			r.keep(kind, want)
			return 0, nil
		}
	}
	t, somebody := r.judge(live, want)
	p := r.patient(kind)
	if somebody {
		if wait := p.wait(r.now()); wait > 0 {
			log.FromContext(ctx).V(1).Info("waiting before restoring", "configuration", kind, "manager", t.Manager, "wait", wait)
			return wait, nil
		}
	}
	if err := r.write(ctx, live, want); err != nil {
		return 0, err
	}
	r.keep(kind, want)
	if !somebody {
		log.FromContext(ctx).Info("registered", "configuration", kind, "changed", describe(differs), "webhooks", len(webhooksOf(want)))
		return 0, nil
	}
	p.restored(r.now())
	if r.Metrics != nil {
		r.Metrics.rewrites.WithLabelValues(kind).Inc()
	}
	log.FromContext(ctx).Info("restored", "configuration", kind, "found", t.What, "manager", t.Manager,
		"inARow", p.count, "waitBeforeNext", p.delay())
	r.tampered(ctx, t)
	return 0, nil
}

// judge says whether it was somebody else who made live differ, and what is known
// of them. When what stood there last still stands, only the policies changed.
func (r *Reconciler) judge(live, want client.Object) (Tampering, bool) {
	kind := kindOf(want)
	before, known := r.kept[kind]
	t := Tampering{Kind: kind, Name: Name}
	if live == nil {
		t.What, t.Deleted = "deleted", true
		return t, known
	}
	t.Manager, t.Time = lastWriter(live)
	if !known {
		// We came up, or back from standing down, and find it different: an older
		// version's work, or policies that changed meanwhile, or somebody's.
		t.What = describe(differences(live, want))
		return t, t.Manager != "" && ownedBy(live) && wroteLast(live, t)
	}
	stood := want.DeepCopyObject().(client.Object)
	setContents(stood, before)
	found := differences(live, stood)
	t.What = describe(found)
	return t, len(found) > 0
}

// ownedBy: the mark that we put on what we install.
func ownedBy(o client.Object) bool { return o.GetLabels()[v1alpha1.LabelOwner] == Name }

// wroteLast: nobody wrote after them, so that the difference is theirs.
func wroteLast(o client.Object, t Tampering) bool {
	for _, e := range o.GetManagedFields() {
		if e.Manager == string(fieldOwner) && e.Time != nil && e.Time.After(t.Time) {
			return false
		}
	}
	return true
}

func (r *Reconciler) keep(kind string, want client.Object) {
	if r.kept == nil {
		r.kept = map[string]client.Object{}
	}
	r.kept[kind] = want
}

func (r *Reconciler) patient(kind string) *patience {
	if r.patience == nil {
		r.patience = map[string]*patience{}
	}
	if r.patience[kind] == nil {
		r.patience[kind] = &patience{}
	}
	return r.patience[kind]
}

// write creates or updates. Somebody who was quicker makes it an error, and the
// next try sees what they did.
func (r *Reconciler) write(ctx context.Context, live, want client.Object) error {
	if live == nil {
		if err := r.Client.Create(ctx, want.DeepCopyObject().(client.Object), fieldOwner); err != nil {
			return fmt.Errorf("creating %s %s: %w", kindOf(want), Name, err)
		}
		return nil
	}
	adopt(live, want)
	if err := r.Client.Update(ctx, live, fieldOwner); err != nil {
		return fmt.Errorf("updating %s %s: %w", kindOf(want), Name, err)
	}
	return nil
}

// remove deletes the object, if it is ours.
func remove(ctx context.Context, live client.Reader, c client.Client, o client.Object) error {
	err := live.Get(ctx, client.ObjectKey{Name: Name}, o)
	if apierrors.IsNotFound(err) || err == nil && !ownedBy(o) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading %s %s: %w", kindOf(o), Name, err)
	}
	uid := o.GetUID()
	if err := c.Delete(ctx, o, client.Preconditions{UID: &uid}); ignoreGone(err) != nil {
		return fmt.Errorf("deleting %s %s: %w", kindOf(o), Name, err)
	}
	return nil
}

// Published reads the CA bundles that the API server trusts for the gate now, one
// for each registered webhook. It is what a certificate source asks before it
// serves a certificate of a new authority.
func Published(live client.Reader) func(context.Context) ([][]byte, error) {
	return func(ctx context.Context) ([][]byte, error) {
		var out [][]byte
		for _, o := range []client.Object{
			&admissionv1.MutatingWebhookConfiguration{}, &admissionv1.ValidatingWebhookConfiguration{},
		} {
			if err := ignoreGone(live.Get(ctx, client.ObjectKey{Name: Name}, o)); err != nil {
				return nil, fmt.Errorf("reading the CA bundle of %s %s: %w", kindOf(o), Name, err)
			}
			for _, w := range webhooksOf(o) {
				out = append(out, w.ClientConfig.CABundle)
			}
		}
		return out, nil
	}
}
