package cluster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Kubectl runs kubectl as this user (see [Cluster.Config]) and returns what it wrote and its exit code; -1 when it did
// not run to an end, with the reason in stderr. The kubeconfig is handed over in the environment, since kubectl finds
// plugins only when no flag stands before their name. The caller's environment holds otherwise, so that a test can
// set KUBE_EDITOR or a PATH with a plugin; HOME is the cluster's own, so that nobody's kuberc or cache comes in.
func (c *Cluster) Kubectl(ctx context.Context, user, stdin string, args ...string) (stdout, stderr string, code int) {
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(ctx, c.options.Assets.Kubectl, args...)
	cmd.Dir = c.dir
	cmd.Env = c.KubectlEnv(user)
	cmd.Stdin = strings.NewReader(stdin)
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	switch {
	case err == nil:
	case errors.As(err, &exit):
		code = exit.ExitCode()
	default:
		code = -1
		fmt.Fprintf(&errs, "running kubectl: %v\n", err)
	}
	return out.String(), errs.String(), code
}

// KubectlEnv is the environment in which kubectl, and every client that reads a kubeconfig, is this user.
func (c *Cluster) KubectlEnv(user string) []string {
	env := make([]string, 0, len(os.Environ())+2)
	for _, entry := range os.Environ() {
		switch name, _, _ := strings.Cut(entry, "="); name {
		case "KUBECONFIG", "HOME", "KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT":
		default:
			env = append(env, entry)
		}
	}
	return append(env, "KUBECONFIG="+c.Kubeconfig(user), "HOME="+filepath.Join(c.dir, "home"))
}
