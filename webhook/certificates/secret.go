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
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

// secrets is what is asked of the API server.
type secrets interface {
	Get(ctx context.Context, name string, opts metav1.GetOptions) (*corev1.Secret, error)
	Create(ctx context.Context, secret *corev1.Secret, opts metav1.CreateOptions) (*corev1.Secret, error)
	Update(ctx context.Context, secret *corev1.Secret, opts metav1.UpdateOptions) (*corev1.Secret, error)
	Watch(ctx context.Context, opts metav1.ListOptions) (watch.Interface, error)
}

const (
	// keyCurrent is the authority's certificate, the same as tls.crt.
	keyCurrent = "ca.crt"
	// keyTrusted is all that is trusted. The current authority stands there before it
	// is replaced, so that a replica which comes up in the middle of a change knows
	// the one before as well.
	keyTrusted = "trusted.crt"
	// keyReplaced is when the current authority was made. The certificate does not say
	// so: it begins before that.
	keyReplaced = "replaced"
	// readEvery is how often the Secret is read when nothing was heard.
	readEvery = 10 * time.Second
	// manager is who we are in managedFields.
	manager = "gitlatch-webhook"
)

// follow reads the Secret, and makes and mends it, whenever it changed and every now
// and then, until ctx ends. What fails is tried again: there is no other way to be
// called.
func (d *Dynamic) follow(ctx context.Context) error {
	for ctx.Err() == nil {
		if err := d.read(ctx); err != nil && ctx.Err() == nil {
			log.FromContext(ctx).Error(err, "keeping the authority")
		}
		d.pause(ctx)
	}
	return nil
}

// pause returns when the Secret changes, or after a while. It watches from what it
// is told is there, so that nothing is missed between a reading and the next.
func (d *Dynamic) pause(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, readEvery)
	defer cancel()
	changes, err := d.client.Watch(ctx, metav1.ListOptions{
		FieldSelector:   fields.OneTermEqualSelector(metav1.ObjectNameField, d.options.Secret).String(),
		ResourceVersion: d.version,
	})
	if err != nil {
		d.version = ""
		select { // the API server is not to be asked in a loop
		case <-ctx.Done():
		case <-time.After(d.options.Timings.Retry):
		}
		return
	}
	defer changes.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case e, open := <-changes.ResultChan():
			if open && e.Type != watch.Error {
				if secret, ok := e.Object.(*corev1.Secret); ok && secret.ResourceVersion == d.version {
					continue // what was read
				}
				return
			}
			d.version = "" // too old to go on from
			select {
			case <-ctx.Done():
			case <-time.After(d.options.Timings.Retry):
			}
			return
		}
	}
}

// read takes in what the Secret says. Where there is no authority that can be used,
// it makes one; of several replicas the first does.
func (d *Dynamic) read(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, lookup)
	defer cancel()
	secret, err := d.client.Get(ctx, d.options.Secret, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		d.version = ""
		return d.replace(ctx, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{
			Namespace: d.options.Namespace, Name: d.options.Secret, Labels: map[string]string{v1alpha1.LabelOwner: "gitlatch"},
		}}, "the Secret is not there")
	}
	if err != nil {
		return fmt.Errorf("reading Secret %s/%s: %w", d.options.Namespace, d.options.Secret, err)
	}
	d.version = secret.ResourceVersion
	authority, wrong := usable(secret, d.now())
	if wrong != "" {
		return d.replace(ctx, secret, wrong)
	}
	stored := parse(secret.Data[keyTrusted])
	trusted := d.adopt(authority, stored, d.now().Sub(replacedAt(secret, authority)) < d.options.Timings.Keep)
	if !slices.ContainsFunc(trusted, func(c *x509.Certificate) bool { return !contains(stored, c) }) {
		return nil // what is no longer trusted goes with the next change: replicas would take turns
	}
	secret.Data[keyTrusted] = encode(trusted)
	return d.store(ctx, secret)
}

// replacedAt is when the authority was made. The library, whose Secret this may be,
// does not say, and dates it from then.
func replacedAt(secret *corev1.Secret, authority *pair) time.Time {
	if at, err := time.Parse(time.RFC3339, string(secret.Data[keyReplaced])); err == nil {
		return at
	}
	return authority.cert.NotBefore
}

// replace stores a new authority, beside all that is trusted still: what this replica
// knows of, and what the Secret holds. It does so every now and then at most: two
// clocks that are months apart would not let each other's stand.
func (d *Dynamic) replace(ctx context.Context, secret *corev1.Secret, why string) error {
	if !d.replaced.IsZero() && time.Since(d.replaced) < readEvery {
		return nil
	}
	d.replaced = time.Now()
	log.FromContext(ctx).Info("making a new authority", "why", why)
	cert, key, err := d.newPair()
	if err != nil {
		return err
	}
	d.mu.Lock()
	trusted := d.trust.all()
	d.mu.Unlock()
	for _, c := range append(parse(secret.Data[keyTrusted]), parse(secret.Data[keyCurrent])...) {
		if c.IsCA && !contains(trusted, c) && d.now().Before(c.NotAfter) {
			trusted = append(trusted, c)
		}
	}
	secret.Data = map[string][]byte{
		corev1.TLSCertKey: cert, corev1.TLSPrivateKeyKey: key, keyCurrent: cert,
		keyTrusted: encode(append(parse(cert), trusted...)), keyReplaced: []byte(d.now().UTC().Format(time.RFC3339)),
	}
	return d.store(ctx, secret)
}

// store writes the Secret. When another replica was quicker that is no error: the
// next reading tells what it wrote.
func (d *Dynamic) store(ctx context.Context, secret *corev1.Secret) error {
	var err error
	if secret.ResourceVersion == "" {
		_, err = d.client.Create(ctx, secret, metav1.CreateOptions{FieldManager: manager})
	} else {
		_, err = d.client.Update(ctx, secret, metav1.UpdateOptions{FieldManager: manager})
	}
	if err == nil || apierrors.IsConflict(err) || apierrors.IsNotFound(err) || apierrors.IsAlreadyExists(err) {
		return nil
	}
	return fmt.Errorf("writing Secret %s/%s: %w", d.options.Namespace, d.options.Secret, err)
}

// adopt makes an authority the current one and returns what to trust: with what is
// stored, if the change was a moment ago, before this replica's time perhaps.
func (d *Dynamic) adopt(authority *pair, stored []*x509.Certificate, recent bool) []*x509.Certificate {
	now, keep := d.now(), d.options.Timings.Keep
	current := []*x509.Certificate{authority.cert}
	d.mu.Lock()
	defer d.mu.Unlock()
	before := encode(d.trust.all())
	if d.trust.current == nil && recent {
		for _, c := range stored {
			d.trust.retire(c, current, now)
		}
	}
	d.trust.replace(current, now, keep)
	after := d.trust.all()
	if !bytes.Equal(before, encode(after)) {
		notify(d.changed)
	}
	if d.signer == nil || !d.signer.cert.Equal(authority.cert) {
		d.signer = authority
		for _, ch := range d.rotated {
			notify(ch)
		}
	}
	return after
}

// notify wakes whoever reads the channel; one value is enough.
func notify(ch chan<- struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}
