package staticmanifests

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/gitlatch/gitlatch/test/cluster"
	"github.com/gitlatch/gitlatch/test/gitlatch"
	"github.com/gitlatch/gitlatch/test/world"
)

// here is the control plane that all tests share. alice is a cluster administrator, and oncall too, and in the group
// that may switch the gate off.
var here world.World

const admissionFlag = "--admission-control-config-file="

func TestMain(m *testing.M) {
	world.Main(m, &here, cluster.Options{Prepare: write}, ready)
}

// write has the plugin write the files, and takes from it the flags that it says.
func write(ctx context.Context, dir string) ([]string, error) {
	if err := gitlatch.Build(ctx, dir, "kubectl-gitlatch"); err != nil {
		return nil, err
	}
	static := filepath.Join(dir, "static")
	cmd := exec.CommandContext(ctx, plugin(dir), "static-manifests", "--dir", static, "--path", static, "--off-group", "oncall")
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("writing the static manifests: %w\n%s", err, out)
	}
	return []string{admissionFlag + filepath.Join(static, "admission-configuration.yaml")}, nil
}

func plugin(dir string) string { return filepath.Join(dir, "kubectl-gitlatch") }

const (
	injector = "cert-manager/cert-manager-cainjector"
	operator = "operators/web-operator" // pod-bound, cluster-admin, and nobody in particular
)

// ready makes, before the first policy, what is git's alone afterwards: the account of a CA injector, one like it whose
// token is bound to no pod, and an operator's.
func ready(ctx context.Context, w *world.World) error {
	for _, a := range []struct {
		namespace, name string
		unbound         bool
	}{{"cert-manager", "cert-manager-cainjector", false}, {"cert-manager", "cert-manager-cainjector", true}, {"operators", "web-operator", false}} {
		_, err := w.Plane.ServiceAccount(ctx, a.namespace, a.name, cluster.AccountOptions{ClusterAdmin: true, Unbound: a.unbound})
		if err != nil {
			return err
		}
	}
	var err error
	if w.Gate, err = gitlatch.Install(ctx, w.Plane, gitlatch.Options{}); err != nil {
		return err
	}
	return w.Gate.Policy(ctx, gitlatch.EnforceAll())
}

// said is how the API server begins what the file denies.
const said = "ValidatingAdmissionPolicy 'gitlatch.static.k8s.io' with binding 'gitlatch.static.k8s.io' denied request: "
