// Command up is `make up` and, with -down, `make down`: a control plane with Gitlatch installed that is left running in
// .run, for people to try things on.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/gitlatch/gitlatch/test/cluster"
	"github.com/gitlatch/gitlatch/test/gitlatch"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "up:", err)
		os.Exit(1)
	}
}

func run() error {
	down := flag.Bool("down", false, "stop what runs, and remove the directory")
	dir := flag.String("dir", ".run", "where everything is kept")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	absolute, err := filepath.Abs(*dir)
	if err != nil {
		return err
	}
	s := sandbox{dir: absolute}
	if *down {
		return s.down()
	}
	return s.up(ctx)
}

// sandbox is the directory and what runs in it.
type sandbox struct{ dir string }

func (s sandbox) clusterDir() string { return filepath.Join(s.dir, "cluster") }
func (s sandbox) binDir() string     { return filepath.Join(s.dir, "bin") }

// marker is written last, so that a start that was interrupted is not taken for one that is done.
func (s sandbox) marker() string { return filepath.Join(s.dir, "ready") }

func (s sandbox) up(ctx context.Context) error {
	if _, err := os.Stat(s.marker()); err == nil && gitlatch.Running(s.clusterDir()) {
		fmt.Println("It is running already (make down stops it).")
		s.explain()
		return nil
	}
	if err := s.clear(); err != nil { // what is left of one that was interrupted, or ended with the machine
		return err
	}
	start := time.Now()
	if err := s.start(ctx); err != nil {
		return errors.Join(err, gitlatch.StopDir(s.clusterDir()), cluster.StopDir(s.clusterDir()))
	}
	fmt.Printf("Up after %.0f s.\n", time.Since(start).Seconds())
	s.explain()
	return nil
}

func (s sandbox) start(ctx context.Context) error {
	assets, err := cluster.Binaries(ctx, os.Stderr)
	if err != nil {
		return err
	}
	fmt.Println("building Gitlatch's commands")
	if err := gitlatch.Build(ctx, s.binDir(), "webhook", "applier", "kubectl-gitlatch"); err != nil {
		return err
	}
	if err := os.Symlink(assets.Kubectl, filepath.Join(s.binDir(), "kubectl")); err != nil {
		return err
	}
	fmt.Println("starting etcd, the API server and the controllers")
	c, err := cluster.Start(ctx, cluster.Options{Dir: s.clusterDir(), Assets: assets, Detached: true})
	if err != nil {
		return err
	}
	g, err := gitlatch.Install(ctx, c, gitlatch.Options{
		Binary: filepath.Join(s.binDir(), "webhook"), Applier: true, ApplierBinary: filepath.Join(s.binDir(), "applier"),
		Detached: true, Progress: os.Stdout,
	})
	if err != nil {
		return err
	}
	fmt.Println("applying the policy, and syncing the shop, as the sync identity")
	if err := g.Policy(ctx, gitlatch.EnforceApplier()); err != nil {
		return err
	}
	if err := g.Apply(ctx, gitlatch.Shop()); err != nil {
		return err
	}
	if err := s.handOut(c); err != nil {
		return err
	}
	return os.WriteFile(s.marker(), []byte(time.Now().Format(time.RFC3339)+"\n"), 0o600)
}

// handOut puts the kubeconfigs where people look for them.
func (s sandbox) handOut(c *cluster.Cluster) error {
	dir := filepath.Join(s.dir, "kubeconfig")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	for name, login := range map[string]string{
		"admin": "admin", "alice": "alice", "bob": "bob", "carol": "carol", "oncall": "oncall", "reviewer": "reviewer",
		"pipeline": "pipeline", "sync": gitlatch.SyncLogin,
	} {
		content, err := os.ReadFile(c.Kubeconfig(login))
		if err != nil {
			return fmt.Errorf("handing out %s's kubeconfig: %w", name, err)
		}
		if err := os.WriteFile(filepath.Join(dir, name+".yaml"), content, 0o600); err != nil {
			return fmt.Errorf("handing out %s's kubeconfig: %w", name, err)
		}
	}
	return nil
}

func (s sandbox) down() error {
	if _, err := os.Stat(s.dir); errors.Is(err, os.ErrNotExist) {
		fmt.Println("Nothing is running.")
		return nil
	}
	if err := s.clear(); err != nil {
		return err
	}
	fmt.Println("Stopped, and removed " + s.dir + ".")
	return nil
}

// clear keeps the directory when something in it can't be stopped: the pid files are in it. It removes what is ours, so
// that a -dir with something else in it costs nobody anything.
func (s sandbox) clear() error {
	errs := []error{gitlatch.StopDir(s.clusterDir()), cluster.StopDir(s.clusterDir())}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	for _, ours := range []string{s.marker(), s.clusterDir(), s.binDir(), filepath.Join(s.dir, "kubeconfig")} {
		errs = append(errs, os.RemoveAll(ours))
	}
	if err := os.Remove(s.dir); err != nil && !errors.Is(err, os.ErrNotExist) {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

func (s sandbox) explain() {
	as := func(who string) string { return filepath.Join(s.dir, "kubeconfig", who+".yaml") }
	fmt.Printf(`
A Kubernetes API server is running with Gitlatch installed, and policy "cluster" in mode Enforce. Only git writes: by the
applier, which waits for a GitSync, and by hand as the sync identity (gitops/sync, field manager "sync"). Group oncall may
break glass. Nothing runs in the pods: there is no kubelet.

  export PATH=%[1]s:$PATH
  export KUBECONFIG=%[2]s   # or admin, bob, carol, oncall, reviewer, pipeline, sync

  kubectl -n shop scale deployment/web --replicas=5          # alice is a cluster administrator, and is refused
  kubectl gitlatch records list                              # what was tried, and by whom
  KUBECONFIG=%[3]s \
    kubectl gitlatch break-glass deployment/web -n shop --reason "INC-42: traffic after the newsletter" --for 10m

A first GitSync, on a repository of your own:

  git init -b main ~/ops && cd ~/ops && mkdir prod
  kubectl create configmap hello -n default --from-literal=from=git --dry-run=client -o yaml > prod/hello.yaml
  git add . && git commit -m "Say hello"
  KUBECONFIG=%[4]s kubectl apply --server-side --field-manager=sync -f - <<EOF
  {apiVersion: gitlatch.dev/v1alpha1, kind: GitSync, metadata: {name: ops, namespace: gitlatch-system},
   spec: {url: "file://$HOME/ops", ref: {branch: main}, path: prod, interval: 5s}}
  EOF
  kubectl -n gitlatch-system wait gitsync/ops --for=condition=Ready
  kubectl -n default edit configmap/hello                    # refused; the answer names the file and the commit
  kubectl gitlatch why configmap/hello -n default            # what git knows of it

Logs are in %[5]s. To stop it: make down
`, s.binDir(), as("alice"), as("oncall"), as("sync"), filepath.Join(s.clusterDir(), "log"))
}
