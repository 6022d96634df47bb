package gitlatch

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"syscall"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/gitlatch/gitlatch/test/cluster"
	"github.com/gitlatch/gitlatch/test/process"
)

// alone gives a cluster with the applier and nothing that guards it.
func alone(t *testing.T) (*cluster.Cluster, *Gitlatch) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	c, err := cluster.Start(ctx, cluster.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Stop(); err != nil {
			t.Error(err)
		}
	})
	g, err := Install(ctx, c, Options{NoWebhook: true, Applier: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the applier wrote:\n%s", g.Applier().Logs())
		}
		if err := g.Stop(); err != nil {
			t.Error(err)
		}
	})
	return c, g
}

// wantLeader waits until this process holds the lease and has renewed it since.
func wantLeader(t *testing.T, c *cluster.Cluster, holder string, since time.Time) {
	t.Helper()
	client, err := kubernetes.NewForConfig(c.Config("admin"))
	if err != nil {
		t.Fatal(err)
	}
	err = WaitFor(t.Context(), 10*time.Second, holder+" to lead", func(ctx context.Context) error {
		lease, err := client.CoordinationV1().Leases(Namespace).Get(ctx, "gitlatch-applier", metav1.GetOptions{})
		switch {
		case err != nil:
			return err
		case *lease.Spec.HolderIdentity != holder || lease.Spec.RenewTime.Time.Before(since):
			return fmt.Errorf("%q does, renewed %s", *lease.Spec.HolderIdentity, lease.Spec.RenewTime)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func TestTheApplierAlone(t *testing.T) {
	c, g := alone(t)
	a := g.Applier()
	if g.Replicas() != 0 {
		t.Errorf("there are %d webhooks", g.Replicas())
	}
	if stdout, _, code := c.Kubectl(t.Context(), "alice", "", "create", "configmap", "by-hand", "-n", "default"); code != 0 {
		t.Errorf("something guards the cluster: %s", stdout)
	}
	wantLeader(t, c, a.Pod(), time.Time{})
	t.Run("goes on at once after it was killed", func(t *testing.T) {
		before, killed := a.PID(), time.Now()
		a.Kill()
		if a.Running() {
			t.Error("it is running")
		}
		if err := a.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		if a.PID() == before {
			t.Error("it has the pid of the one that was killed")
		}
		wantLeader(t, c, a.Pod(), killed)
	})
	t.Run("is started again when it ended by itself", func(t *testing.T) {
		before := a.current()
		if err := syscall.Kill(a.PID(), syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		<-before.Exited()
		if err := WaitFor(t.Context(), startTimeout, "another process", func(context.Context) error {
			if a.PID() == before.PID() || !a.Running() {
				return errors.New("there is none yet")
			}
			return nil
		}); err != nil {
			t.Error(err)
		}
	})
	t.Run("leads, and another waits until it ends", func(t *testing.T) { wantSuccession(t, c, g) })
	t.Run("is found by its directory", func(t *testing.T) {
		if err := a.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		if !Running(c.Dir()) {
			t.Error("it is not found")
		}
		for _, end := range g.unkeep { // nobody keeps what an earlier run left
			end()
		}
		for range 2 { // the second call has nothing to stop
			if err := StopDir(c.Dir()); err != nil {
				t.Error(err)
			}
		}
		if Running(c.Dir()) {
			t.Error("it is running")
		}
		<-a.process.Exited() // it has ended; here it has yet to be waited for
	})
}

// wantSuccession starts a second applier under another name, and ends the first.
func wantSuccession(t *testing.T, c *cluster.Cluster, g *Gitlatch) {
	t.Helper()
	first := g.Applier()
	second := g.join("applier-second", "second", applierMemory)
	if err := g.freePorts(&second.metrics, &second.health); err != nil {
		t.Fatal(err)
	}
	second.kubeconfig = first.kubeconfig
	second.command.Path = first.command.Path
	second.command.Args = append(second.flags(), "--data-dir="+t.TempDir())
	if err := second.Start(t.Context()); err != nil { // ready while it waits
		t.Fatal(err)
	}
	defer second.Terminate()
	wantLeader(t, c, first.Pod(), time.Now())
	ended := time.Now()
	first.Terminate()
	wantLeader(t, c, "second", ended)
	if err := process.Answers(t.Context(), http.DefaultClient, second.MetricsURL()); err != nil {
		t.Error(err)
	}
}
