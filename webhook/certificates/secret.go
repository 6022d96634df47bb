package certificates

import (
	"bytes"
	"context"
	"crypto/x509"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/log"
)

// secrets is what is asked of the API server beyond what the library asks.
type secrets interface {
	Get(ctx context.Context, name string, opts metav1.GetOptions) (*corev1.Secret, error)
	Update(ctx context.Context, secret *corev1.Secret, opts metav1.UpdateOptions) (*corev1.Secret, error)
}

const (
	// keyCurrent is where the library keeps the authority's certificate.
	keyCurrent = "ca.crt"
	// keyTrusted is where we keep all that is trusted. The current authority stands
	// there before it is replaced, so that a replica which comes up in the middle of
	// a change knows the one before as well. The library leaves the key alone.
	keyTrusted = "trusted.crt"
	// readEvery is how often the Secret is read when nothing was heard.
	readEvery = 10 * time.Second
)

// follow reads the Secret when the authority changed, and every now and then.
func (d *Dynamic) follow(ctx context.Context, rotated <-chan struct{}) {
	ticker := time.NewTicker(readEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-rotated:
		case <-ticker.C:
		}
		if err := d.read(ctx); err != nil && ctx.Err() == nil {
			log.FromContext(ctx).Error(err, "reading the authority")
		}
	}
}

func (d *Dynamic) read(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, lookup)
	defer cancel()
	secret, err := d.client.Get(ctx, d.options.Secret, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil // the library makes it, and says so
	}
	if err != nil {
		return fmt.Errorf("reading Secret %s/%s: %w", d.options.Namespace, d.options.Secret, err)
	}
	current := parse(secret.Data[keyCurrent])
	if len(current) == 0 {
		return nil // the library mends it, and says so
	}
	stored := parse(secret.Data[keyTrusted])
	trusted := d.remember(current, stored, time.Now())
	if !slices.ContainsFunc(trusted, func(c *x509.Certificate) bool { return !contains(stored, c) }) {
		return nil // what is no longer trusted goes with the next change: replicas would take turns
	}
	secret.Data[keyTrusted] = encode(trusted)
	_, err = d.client.Update(ctx, secret, metav1.UpdateOptions{FieldManager: "gitlatch-webhook"})
	if apierrors.IsConflict(err) || apierrors.IsNotFound(err) {
		return nil // another replica was quicker; the next reading tells
	}
	if err != nil {
		return fmt.Errorf("writing Secret %s/%s: %w", d.options.Namespace, d.options.Secret, err)
	}
	return nil
}

// remember takes in what the Secret says and returns what to trust.
func (d *Dynamic) remember(current, stored []*x509.Certificate, now time.Time) []*x509.Certificate {
	d.mu.Lock()
	defer d.mu.Unlock()
	before := encode(d.trust.all())
	keep := d.options.Timings.Keep
	if d.trust.current == nil && now.Sub(current[0].NotBefore) < keep {
		for _, c := range stored { // replaced a moment ago, before this replica's time
			d.trust.retire(c, current, now)
		}
	}
	d.trust.replace(current, now, keep)
	after := d.trust.all()
	if !bytes.Equal(before, encode(after)) {
		notify(d.changed)
	}
	return after
}

// notify wakes whoever reads the channel; one value is enough.
func notify(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}
