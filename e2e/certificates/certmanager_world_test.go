//go:build peers

package certificates

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"

	"github.com/gitlatch/gitlatch/test/cluster"
	"github.com/gitlatch/gitlatch/test/gitlatch"
	"github.com/gitlatch/gitlatch/test/process"
	"github.com/gitlatch/gitlatch/test/world"
)

// trusted is what manifests/cert-manager asks of a policy.
const trusted = `  trusted:
  - serviceAccount: {namespace: cert-manager, name: cert-manager}
    resources: [{apiGroups: [""], resources: [secrets]}]
`

// behind is how long the files of the Secret lag: a kubelet reads it about once a minute.
const behind = 3 * time.Second

// certManaged is a control plane of its own, with cert-manager's controllers, and Gitlatch as manifests/cert-manager has it.
func certManaged(t *testing.T) *world.World {
	t.Helper()
	w := &world.World{}
	var err error
	w.Plane, err = cluster.Start(t.Context(), cluster.Options{Progress: os.Stderr})
	world.Must(t, err)
	t.Cleanup(func() { world.Must(t, w.Plane.Stop()) })
	startCertManager(t, w)
	root, err := gitlatch.Root(t.Context())
	world.Must(t, err)
	// What the overlay adds, declared as git does; the rest is installed below, and then gets its arguments and rights.
	w.Kubectl(t, "admin", "apply", "--server-side", "--field-manager="+gitlatch.SyncFieldManager,
		"-f", filepath.Join(root, "manifests", "default", "10-namespace.yaml"),
		"-f", filepath.Join(root, "manifests", "cert-manager", "certificates.yaml")).MustAllow(t)
	dir := t.TempDir()
	mount(t, w, dir)
	args, role := overlay(t, root)
	for i := range args {
		args[i] = strings.ReplaceAll(args[i], "/etc/gitlatch/tls", dir)
	}
	policies := []string{policyWarn, policyCluster + trusted}
	world.Must(t, installWith(t.Context(), w, gitlatch.Options{Replicas: 2, Service: true, Flags: args}, policies, func() {
		w.KubectlIn(t, "admin", role, "apply", "-f", "-").MustAllow(t)
	}))
	t.Cleanup(func() { world.Must(t, w.Gate.Stop()) })
	return w
}

// startCertManager installs its kinds and runs its controllers and its injector, each as its account.
func startCertManager(t *testing.T, w *world.World) {
	t.Helper()
	module, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", "github.com/cert-manager/cert-manager").Output()
	world.Must(t, err)
	w.Kubectl(t, "admin", "create", "-f", filepath.Join(strings.TrimSpace(string(module)), "deploy", "crds"), "--save-config=false").MustAllow(t)
	w.Kubectl(t, "admin", "wait", "--for=condition=Established", "--timeout=30s", "crd", "--all").MustAllow(t)
	program := certManager(t)
	for account, what := range map[string]string{"cert-manager": "controllers", "cert-manager-cainjector": "injector"} {
		identity, err := w.Plane.ServiceAccount(t.Context(), "cert-manager", account, cluster.AccountOptions{ClusterAdmin: true})
		world.Must(t, err)
		log := filepath.Join(w.Plane.Dir(), "log", account+".log")
		running, err := process.Start(process.Command{
			Path: program, Args: []string{what, "-kubeconfig=" + identity.Kubeconfig},
			Dir: t.TempDir(), Env: append(process.Env(w.Plane.Dir()), "POD_NAMESPACE=cert-manager"), LogFile: log,
			PIDFile: filepath.Join(w.Plane.Dir(), "run", account+".pid"),
		})
		world.Must(t, err)
		t.Cleanup(func() {
			if t.Failed() {
				said, _ := os.ReadFile(log)
				t.Logf("%s said:\n%s", account, process.LastLines(string(said), 30))
			}
			running.Stop(10 * time.Second)
		})
	}
}

// certManager is built from test/certmanager: minutes the first time, then it is in the user's cache.
func certManager(t *testing.T) string {
	t.Helper()
	root, err := gitlatch.Root(t.Context())
	world.Must(t, err)
	module, sum := filepath.Join(root, "test", "certmanager"), sha256.New()
	for _, name := range []string{"go.sum", "main.go", "controllers.go", "injector.go"} {
		content, err := os.ReadFile(filepath.Join(module, name))
		world.Must(t, err)
		sum.Write(content)
	}
	cache, err := os.UserCacheDir()
	world.Must(t, err)
	program := filepath.Join(cache, "gitlatch", "certmanager", fmt.Sprintf("%x", sum.Sum(nil))[:16], "certmanager")
	if _, err := os.Stat(program); err == nil {
		return program
	}
	world.Must(t, os.MkdirAll(filepath.Dir(program), 0o755))
	t.Log("building cert-manager's controllers; this takes minutes, once")
	partial := fmt.Sprintf("%s.%d", program, os.Getpid())
	build := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w", "-o", partial, ".")
	build.Dir, build.Env = module, append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-mod=readonly", "GOWORK=off")
	if said, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building test/certmanager: %v\n%s", err, said)
	}
	world.Must(t, os.Rename(partial, program))
	return program
}

// overlay is what manifests/cert-manager has the webhook started with, and its Role.
func overlay(t *testing.T, root string) (args []string, role string) {
	t.Helper()
	built, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), filepath.Join(root, "manifests", "cert-manager"))
	world.Must(t, err)
	for _, r := range built.Resources() {
		switch {
		case r.GetName() != gitlatch.Account:
		case r.GetKind() == "Role":
			role = r.MustYaml()
		case r.GetKind() == "Deployment":
			deployment := &appsv1.Deployment{}
			world.Must(t, yaml.UnmarshalStrict([]byte(r.MustYaml()), deployment))
			args = deployment.Spec.Template.Spec.Containers[0].Args
		}
	}
	return args, role
}

// mount keeps a Secret's files in the directory, as a kubelet does: it writes all of them beside, and changes one link. It
// returns when they are there.
func mount(t *testing.T, w *world.World, dir string) {
	t.Helper()
	c := w.Client(t, "admin")
	read := func(ctx context.Context) (map[string][]byte, error) {
		kept := &corev1.Secret{}
		if err := c.Get(ctx, client.ObjectKey{Namespace: gitlatch.Namespace, Name: "gitlatch-webhook-tls"}, kept); err != nil {
			return nil, err
		}
		if len(kept.Data["tls.crt"]) == 0 {
			return nil, fmt.Errorf("there is no certificate in it yet")
		}
		return kept.Data, nil
	}
	var data map[string][]byte
	world.Eventually(t, "cert-manager to issue", 2*time.Minute, func(ctx context.Context) (err error) {
		data, err = read(ctx)
		return err
	})
	world.Must(t, link(dir, data))
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			time.Sleep(100 * time.Millisecond)
			now, err := read(ctx)
			if err != nil || bytes.Equal(now["tls.crt"], data["tls.crt"]) {
				continue
			}
			time.Sleep(behind)
			if err := link(dir, now); err != nil {
				t.Error(err)
			}
			data = now
		}
	}()
	t.Cleanup(func() { stop(); <-done })
}

func link(dir string, data map[string][]byte) error {
	fresh, err := os.MkdirTemp(dir, "..")
	if err != nil {
		return err
	}
	for name, content := range data {
		if err := os.WriteFile(filepath.Join(fresh, name), content, 0o600); err != nil {
			return err
		}
		if err := os.Symlink(filepath.Join("..data", name), filepath.Join(dir, name)); err != nil && !os.IsExist(err) {
			return err
		}
	}
	next := filepath.Join(dir, "..next")
	if err := os.Symlink(filepath.Base(fresh), next); err != nil {
		return err
	}
	return os.Rename(next, filepath.Join(dir, "..data"))
}
