package registration

import (
	"context"
	"errors"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

const (
	// fieldOwner is who we are in managedFields.
	fieldOwner = client.FieldOwner("gitlatch-webhook")
	// resync is how often all is compared when nothing was heard.
	resync = 30 * time.Second
	// unready is how often readiness is asked for before the first registration.
	unready = 200 * time.Millisecond
)

// Reconciler keeps the two configurations, and the backstop behind them, as the policies
// say. It is a controller of one thing, and not for concurrent use.
type Reconciler struct {
	// Client reads policies (from a cache) and writes.
	Client client.Client
	// Live reads the configurations from the API server: a cache that is behind
	// would take our own write for somebody else's.
	Live client.Reader
	// Options, but for the CA bundle.
	Options Options
	// Bundle returns the CA bundle; nil, or returning nil: somebody else injects it.
	Bundle func() []byte
	// Changed gets a value when Bundle returns something else; may be nil.
	Changed <-chan struct{}
	// Ready is nil once the webhook serves; nothing is registered before.
	Ready func() error
	// Tamperer is told of tampering; may be nil.
	Tamperer Tamperer
	// Metrics may be nil.
	Metrics *Metrics
	// Now is the clock; nil: time.Now.
	Now func() time.Time

	good     map[string]lastGood
	kept     map[string]client.Object // by kind: what stood there last
	patience map[string]*patience
	off      string // why we stand down; "" when we don't
	served   bool
	exempted []string // what was told of as exempted by the platform
}

func (r *Reconciler) now() time.Time {
	if r.Now == nil {
		return time.Now()
	}
	return r.Now()
}

// Reconcile compares everything and writes what differs. The request is not
// looked at.
func (r *Reconciler) Reconcile(ctx context.Context, _ reconcile.Request) (reconcile.Result, error) {
	if wait := r.unready(ctx); wait > 0 {
		return reconcile.Result{RequeueAfter: wait}, nil
	}
	compiled, all, err := r.policies(ctx)
	if err != nil {
		return reconcile.Result{}, err
	}
	options := r.Options
	if r.Bundle != nil {
		options.CABundle = r.Bundle()
	}
	gate, final, err := Compile(options, compiled)
	if err != nil {
		return reconcile.Result{}, fmt.Errorf("compiling %d policies: %w", len(compiled), err)
	}
	wait, condition, err := r.ensure(ctx, gate, final)
	if apierrors.IsForbidden(err) || apierrors.IsInvalid(err) { // by a platform's rules for webhooks, or by RBAC
		_, behind := r.ensureBackstop(ctx, options, compiled) // it needs no webhook
		return reconcile.Result{}, errors.Join(err, behind, r.report(ctx, all, metav1.Condition{Status: metav1.ConditionFalse, Reason: ReasonRefused,
			Message: "the API server does not let the webhooks be registered as they should be: " + err.Error()}))
	}
	if err != nil {
		return reconcile.Result{}, err
	}
	// The gate stands without its backstop: what is wrong with that one does not keep the
	// policies from hearing that they are in force.
	delay, behind := r.ensureBackstop(ctx, options, compiled)
	err = r.report(ctx, all, condition)
	if apierrors.IsConflict(err) { // a newer generation is on its way here
		return reconcile.Result{RequeueAfter: unready}, nil
	}
	if err := errors.Join(err, behind); err != nil {
		return reconcile.Result{}, err
	}
	return reconcile.Result{RequeueAfter: min(wait, delay)}, nil
}

func (r *Reconciler) unready(ctx context.Context) time.Duration {
	if r.served || r.Ready == nil {
		return 0
	}
	if err := r.Ready(); err != nil {
		log.FromContext(ctx).V(1).Info("not registering before the webhook serves", "waiting", err.Error())
		return unready
	}
	r.served = true
	return 0
}

// read returns what there is of each; nil for what there is not.
func (r *Reconciler) read(ctx context.Context, want ...client.Object) ([]client.Object, error) {
	live := make([]client.Object, len(want))
	for i, w := range want {
		o := w.DeepCopyObject().(client.Object)
		err := r.Live.Get(ctx, client.ObjectKeyFromObject(w), o)
		if ignoreGone(err) != nil {
			return nil, fmt.Errorf("reading %s %s: %w", kindOf(w), Name, err)
		}
		if err == nil {
			live[i] = o
		}
	}
	return live, nil
}

// ensure makes both configurations what they should be, or stands down.
func (r *Reconciler) ensure(ctx context.Context, want ...client.Object) (time.Duration, metav1.Condition, error) {
	live, err := r.read(ctx, want...)
	if err != nil {
		return 0, metav1.Condition{}, err
	}
	if r.standsDown(ctx, live) {
		return resync, metav1.Condition{Status: metav1.ConditionFalse, Reason: ReasonStandingDown,
			Message: "the off switch is set: " + r.off}, nil
	}
	wait, contested := resync, ""
	var exempt []string
	for i, w := range want {
		exempt = append(exempt, r.exempt(ctx, live[i], w)...)
		delay, err := r.ensureOne(ctx, live[i], w)
		if err != nil {
			return 0, metav1.Condition{}, err
		}
		if delay > 0 {
			wait, contested = min(wait, delay), kindOf(w)
		}
	}
	if contested != "" {
		return wait, metav1.Condition{Status: metav1.ConditionUnknown, Reason: ReasonContested,
			Message: contested + " " + Name + " is changed by somebody else again and again; it is restored every 30s at most"}, nil
	}
	message := "the API server asks the gate about what this policy governs"
	if what := exempted(sorted(exempt)); what != "" {
		message += "; but " + what
	}
	return wait, metav1.Condition{Status: metav1.ConditionTrue, Reason: ReasonRegistered, Message: message}, nil
}

// standsDown: the off switch is set on one of them. Whatever stands there stays,
// so that it works with no pod alive and stays off when one comes up.
func (r *Reconciler) standsDown(ctx context.Context, live []client.Object) bool {
	for _, o := range live {
		if o == nil {
			continue
		}
		reason, set := o.GetAnnotations()[v1alpha1.AnnotationOff]
		if !set {
			continue
		}
		if reason == "" {
			reason = "no reason given"
		}
		if r.off != reason {
			r.off = reason
			r.gauge(1)
			log.FromContext(ctx).Info("standing down", "reason", reason, "configuration", kindOf(o))
			manager, at := lastWriter(o)
			r.tampered(ctx, Tampering{Kind: kindOf(o), Name: Name, What: "switched off: " + reason, Manager: manager, Time: at, Off: true})
		}
		r.kept = nil // what stands there meanwhile was not changed behind our back
		return true
	}
	if r.off != "" {
		log.FromContext(ctx).Info("no longer standing down", "reason", r.off)
		r.off = ""
	}
	r.gauge(0)
	return false
}

func (r *Reconciler) gauge(v float64) {
	r.Metrics.tell(func() { r.Metrics.standingDown.Set(v) })
}

func (r *Reconciler) tampered(ctx context.Context, t Tampering) {
	if r.Tamperer != nil {
		r.Tamperer.Tampered(ctx, t)
	}
}

func ignoreGone(err error) error {
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

// theOne is the only request there is.
func theOne() reconcile.Request {
	return reconcile.Request{NamespacedName: types.NamespacedName{Name: Name}}
}
