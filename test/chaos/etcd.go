package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gitlatch/gitlatch/test/cluster"
	"github.com/gitlatch/gitlatch/test/gitlatch"
)

// withoutEtcd is a fault under which the API server may fail to answer anybody, but for those whom the gate denies
// before anything is stored.
func withoutEtcd(name string, lasts time.Duration, begin, end func(context.Context) error) fault {
	return fault{
		name: name, lasts: lasts, begin: begin, end: end,
		denials: refused(), emergencies: append(admittedOrNot(), unanswered), syncs: []answer{stored, unanswered},
	}
}

// etcd stops etcd and continues it, and kills it and starts it again.
func etcd(ctx context.Context, c *chaos) error {
	d, err := c.disturb(ctx, cluster.Options{Fsync: true})
	if err != nil {
		return err
	}
	lasts := c.lasts(time.Minute, 10*time.Second)
	for _, f := range []fault{
		withoutEtcd("etcd stopped", lasts,
			func(context.Context) error { return d.plane.PauseServer(cluster.Etcd) },
			func(context.Context) error { return d.plane.ContinueServer(cluster.Etcd) }),
		withoutEtcd("etcd killed", lasts,
			func(context.Context) error { d.plane.KillServer(cluster.Etcd); return nil },
			func(ctx context.Context) error { return d.plane.StartServer(ctx, cluster.Etcd) }),
	} {
		if err := d.during(ctx, f); err != nil {
			return err
		}
	}
	d.alerts(ctx)
	return c.guarded(ctx, d.world)
}

// quota is what etcd may store in the scenario full: a control plane at rest takes a tenth of it.
const quota = 24 << 20

// full fills etcd until it takes no more, and makes room again.
func full(ctx context.Context, c *chaos) error {
	d, err := c.disturb(ctx, cluster.Options{EtcdArgs: []string{fmt.Sprintf("--quota-backend-bytes=%d", quota)}})
	if err != nil {
		return err
	}
	var filled int
	f := withoutEtcd("etcd full", c.lasts(time.Minute, 15*time.Second),
		func(ctx context.Context) (err error) { filled, err = d.fill(ctx); return err },
		func(ctx context.Context) error { return d.drain(ctx, filled) })
	if err := d.during(ctx, f); err != nil {
		return err
	}
	d.alerts(ctx)
	return c.guarded(ctx, d.world)
}

// fill has git store what it likes, until etcd has no space.
func (d *disturbance) fill(ctx context.Context) (filled int, err error) {
	page := strings.Repeat("a page of a manual. ", 40_000) // 800 kB
	for filled = 0; filled < 2*quota/len(page); filled++ {
		made := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("manual-%d", filled), Namespace: enforced}, Data: map[string]string{"page": page}}
		_, err := d.crew.sync.CoreV1().ConfigMaps(enforced).Create(ctx, made, metav1.CreateOptions{FieldManager: gitlatch.SyncFieldManager})
		switch {
		case err == nil:
		case strings.Contains(err.Error(), "database space exceeded"):
			d.c.say("etcd is full after %d objects", filled)
			return filled, nil
		default:
			return filled, err
		}
	}
	return filled, errors.New("etcd took twice what it may")
}

// drain does what etcd's manual says: delete, compact, defragment, disarm. Git does the deleting: under a full etcd
// deletions still work, and nobody else may.
func (d *disturbance) drain(ctx context.Context, filled int) error {
	for i := range filled {
		err := d.crew.sync.CoreV1().ConfigMaps(enforced).Delete(ctx, fmt.Sprintf("manual-%d", i), metav1.DeleteOptions{})
		if err != nil {
			return fmt.Errorf("deleting what fills etcd: %w", err)
		}
	}
	return d.defragment(ctx)
}

// defragment gives the room back that what is deleted leaves, and ends the alarm.
func (d *disturbance) defragment(ctx context.Context) error {
	var now struct {
		Header struct {
			Revision string `json:"revision"`
		} `json:"header"`
	}
	if err := d.etcd(ctx, "/v3/kv/range", map[string]any{"key": "AA==", "limit": 1}, &now); err != nil {
		return err
	}
	if err := d.etcd(ctx, "/v3/kv/compaction", map[string]any{"revision": now.Header.Revision, "physical": true}, nil); err != nil {
		return err
	}
	if err := d.etcd(ctx, "/v3/maintenance/defragment", map[string]any{}, nil); err != nil {
		return err
	}
	var raised struct {
		Alarms []struct {
			MemberID string `json:"memberID"`
		} `json:"alarms"`
	}
	if err := d.etcd(ctx, "/v3/maintenance/alarm", map[string]any{"action": "GET"}, &raised); err != nil {
		return err
	}
	if len(raised.Alarms) == 0 {
		return errors.New("etcd was full and raised no alarm")
	}
	return d.etcd(ctx, "/v3/maintenance/alarm", map[string]any{"action": "DEACTIVATE", "memberID": raised.Alarms[0].MemberID, "alarm": "NOSPACE"}, nil)
}

// etcd calls its JSON gateway; etcd.io/docs, "gRPC gateway".
func (d *disturbance) etcd(ctx context.Context, path string, body map[string]any, into any) error {
	encoded, err := json.Marshal(body)
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, d.plane.EtcdURL()+path, bytes.NewReader(encoded))
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return fmt.Errorf("calling etcd: %w", err)
	}
	defer response.Body.Close()
	said, err := io.ReadAll(response.Body)
	if err != nil {
		return fmt.Errorf("calling etcd: %w", err)
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("calling etcd: %s: %s: %s", path, response.Status, said)
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(said, into)
}
