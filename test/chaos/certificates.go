package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gitlatch/gitlatch/test/cluster"
	"github.com/gitlatch/gitlatch/test/gitlatch"
)

const (
	certificatesRate = 200
	certificatesFor  = 10 * time.Minute
	authoritySecret  = "gitlatch-webhook-ca"
	// changeTimeout is far more than a change of the authority takes: the bundle stands for ten seconds first.
	changeTimeout = 2 * time.Minute
)

// certificateLife is how long a serving certificate lives. It begins half as long before it is made: by so much a
// replica's clock may be wrong.
const certificateLife = time.Minute

// wrongClocks are by how much the clock of the replica that restarts is wrong, in turn.
func wrongClocks() []time.Duration { return []time.Duration{20 * time.Second, -20 * time.Second, 0} }

// certificates has 200 mixed writes a second on three replicas, whose certificates live for a minute and whose authority for
// four, while the authority is deleted now and then and replicas restart, in the middle of a change too, with a clock that
// is wrong.
func certificates(ctx context.Context, c *chaos) error {
	cell, err := newClockedCell(ctx)
	if err != nil {
		return err
	}
	defer cell.remove()
	w, err := c.start(ctx, cluster.Options{}, gitlatch.Options{Replicas: 3, Service: true, Binary: cell.program(), Flags: []string{
		"--certificate-duration=" + certificateLife.String(), "--ca-duration=4m", "--drain=2s",
	}})
	if err != nil {
		return err
	}
	cr, err := w.crew()
	if err != nil {
		return err
	}
	if err := cr.owns(ctx); err != nil {
		return err
	}
	l := &load{rate: certificatesRate, atOnce: 16, kinds: []*kind{cr.syncs(25), cr.controls(25), cr.repeats(25), cr.warnings(25)}}
	lasts := c.lasts(certificatesFor, 40*time.Second)
	c.say("%d writes a second for %s", certificatesRate, lasts)
	r := &rotation{world: w, cell: cell}
	if err := l.during(ctx, func(ctx context.Context) error { return r.goOn(ctx, c, lasts) }); err != nil {
		return err
	}
	rate := float64(l.written()) / l.took.Seconds()
	c.figure("writes a second", rate, "", fmt.Sprintf("%d", certificatesRate), rate >= 0.95*certificatesRate)
	c.figure("authorities deleted", float64(r.changes), "", "at least one", r.changes > 0)
	c.figure("replicas restarted meanwhile, with a wrong clock", float64(r.skewed), "", "at least one ahead, one behind", r.skewed > 1)
	c.figure("times that certificates from a clock ahead were served", float64(r.ahead), "", "> 0: or nothing was shown", r.ahead > 0)
	l.tell(c, latencyLimit)
	return c.guarded(ctx, w)
}

// rotation is what certificates go through.
type rotation struct {
	*world
	cell                   *cell
	changes, skewed, ahead int
}

// goOn changes the authority again and again, and restarts a replica meanwhile, whose clock is another from then on.
func (r *rotation) goOn(ctx context.Context, c *chaos, lasts time.Duration) error {
	clocks := wrongClocks()
	for end := time.Now().Add(lasts); time.Now().Before(end) || r.changes < len(clocks); r.changes++ {
		wrong, i := clocks[r.changes%len(clocks)], c.random.IntN(r.gate.Replicas())
		if wrong != 0 {
			r.skewed++
		}
		c.say("the authority is deleted, and replica %d restarts with a clock that is %s off", i, wrong)
		if err := r.cell.before(i, "export "+clockVariable+"="+wrong.String()); err != nil {
			return err
		}
		if err := r.changeAuthority(ctx, func() error {
			r.gate.Terminate(i)
			return r.gate.Start(ctx, i)
		}); err != nil {
			return err
		}
		if now, err := r.served(ctx); err != nil {
			return err
		} else if slices.ContainsFunc(now, fromAhead) {
			r.ahead++
		}
		if err := sleep(ctx, time.Duration(c.random.IntN(20))*time.Second); err != nil {
			return err
		}
	}
	return nil
}

// fromAhead says that a certificate ends later than one does that was made by a right clock.
func fromAhead(cert *x509.Certificate) bool {
	return time.Until(cert.NotAfter) > certificateLife+time.Second
}

// changeAuthority deletes the authority as git does, has something happen meanwhile, and returns when every replica serves
// under a new one.
func (w *world) changeAuthority(ctx context.Context, meanwhile func() error) error {
	c, err := w.client(gitlatch.SyncLogin)
	if err != nil {
		return err
	}
	secrets := c.CoreV1().Secrets(gitlatch.Namespace)
	before, err := w.served(ctx)
	if err != nil {
		return err
	}
	if err := secrets.Delete(ctx, authoritySecret, metav1.DeleteOptions{}); err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("deleting the authority: %w", err)
	}
	if err := meanwhile(); err != nil {
		return err
	}
	return gitlatch.WaitFor(ctx, changeTimeout, "a new authority to be served", func(ctx context.Context) error {
		now, err := w.served(ctx)
		if err != nil {
			return err
		}
		if slices.ContainsFunc(now, func(cert *x509.Certificate) bool { return !sameIssuer(cert, now[0]) }) || sameIssuer(now[0], before[0]) {
			return errors.New("not all replicas serve under it")
		}
		return nil
	})
}

// sameIssuer says that two certificates are of one authority, by the identifier of its key.
func sameIssuer(a, b *x509.Certificate) bool { return bytes.Equal(a.AuthorityKeyId, b.AuthorityKeyId) }

// served are the certificates that the replicas show.
func (w *world) served(ctx context.Context) ([]*x509.Certificate, error) {
	var all []*x509.Certificate
	for i := range w.gate.Replicas() {
		dialer := tls.Dialer{NetDialer: &net.Dialer{}, Config: &tls.Config{InsecureSkipVerify: true}} // it is looked at, not trusted
		connection, err := dialer.DialContext(ctx, "tcp", strings.TrimPrefix(w.gate.URL(i), "https://"))
		if err != nil {
			return nil, fmt.Errorf("looking at the certificate of replica %d: %w", i, err)
		}
		all = append(all, connection.(*tls.Conn).ConnectionState().PeerCertificates[0])
		_ = connection.Close()
	}
	return all, nil
}
