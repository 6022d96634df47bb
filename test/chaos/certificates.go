package main

import (
	"bytes"
	"context"
	"crypto/tls"
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

// certificates has 200 mixed writes a second on three replicas, whose certificates live for a minute and whose authority for
// four, while the authority is deleted now and then and replicas restart, in the middle of a change too.
func certificates(ctx context.Context, c *chaos) error {
	w, err := c.start(ctx, cluster.Options{}, gitlatch.Options{Replicas: 3, Service: true, Flags: []string{
		"--certificate-duration=1m", "--ca-duration=4m", "--drain=2s",
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
	changes, restarts := 0, 0
	err = l.during(ctx, func(ctx context.Context) error {
		for end := time.Now().Add(lasts); time.Now().Before(end); changes++ {
			if err := w.changeAuthority(ctx, func() error {
				restarts++
				i := c.random.IntN(w.gate.Replicas())
				w.gate.Terminate(i)
				return w.gate.Start(ctx, i)
			}); err != nil {
				return err
			}
			if err := sleep(ctx, time.Duration(c.random.IntN(20))*time.Second); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	rate := float64(l.written()) / l.took.Seconds()
	c.figure("writes a second", rate, "", fmt.Sprintf("%d", certificatesRate), rate >= 0.95*certificatesRate)
	c.figure("authorities deleted", float64(changes), "", "at least one", changes > 0)
	c.figure("replicas restarted meanwhile", float64(restarts), "", "", true)
	l.tell(c, latencyLimit)
	return c.guarded(ctx, w)
}

// changeAuthority deletes the authority as git does, has something happen meanwhile, and returns when every replica serves
// under a new one.
func (w *world) changeAuthority(ctx context.Context, meanwhile func() error) error {
	c, err := w.client(gitlatch.SyncLogin)
	if err != nil {
		return err
	}
	secrets := c.CoreV1().Secrets(gitlatch.Namespace)
	before, err := w.issuers(ctx)
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
		now, err := w.issuers(ctx)
		if err != nil {
			return err
		}
		if slices.ContainsFunc(now, func(issuer []byte) bool { return !bytes.Equal(issuer, now[0]) }) || bytes.Equal(now[0], before[0]) {
			return errors.New("not all replicas serve under it")
		}
		return nil
	})
}

// issuers are the key identifiers of the authorities that the replicas serve under.
func (w *world) issuers(ctx context.Context) ([][]byte, error) {
	var all [][]byte
	for i := range w.gate.Replicas() {
		dialer := tls.Dialer{NetDialer: &net.Dialer{}, Config: &tls.Config{InsecureSkipVerify: true}} // it is looked at, not trusted
		connection, err := dialer.DialContext(ctx, "tcp", strings.TrimPrefix(w.gate.URL(i), "https://"))
		if err != nil {
			return nil, fmt.Errorf("looking at the certificate of replica %d: %w", i, err)
		}
		all = append(all, connection.(*tls.Conn).ConnectionState().PeerCertificates[0].AuthorityKeyId)
		_ = connection.Close()
	}
	return all, nil
}
