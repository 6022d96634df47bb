//go:build drills

package drills

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	"sigs.k8s.io/yaml"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/test/cluster"
	"github.com/gitlatch/gitlatch/test/gitlatch"
	"github.com/gitlatch/gitlatch/test/process"
	"github.com/gitlatch/gitlatch/test/world"
)

// here is the control plane that all drills share, node what runs Gitlatch's Pods on it. Each drill leaves both as it
// found them: two webhooks, an applier and a reporter, and policy cluster, which enforces.
var (
	here   world.World
	node   *gitlatch.Kubelet
	before map[string]bool // the cluster's objects before Gitlatch; see [everything]
)

func TestMain(m *testing.M) {
	world.Main(m, &here, cluster.Options{}, func(ctx context.Context, w *world.World) error {
		var err error
		if _, err = w.Plane.ServiceAccount(ctx, gitlatch.SyncNamespace, gitlatch.SyncAccount, cluster.AccountOptions{ClusterAdmin: true}); err != nil {
			return err // it is there before Gitlatch is, as Flux would be
		}
		if before, err = everything(ctx); err != nil {
			return err
		}
		if err := gitlatch.Build(ctx, bin(), "webhook", "applier", "reporter", "kubectl-gitlatch"); err != nil {
			return err
		}
		return install(ctx)
	})
}

// bin is where the programs are.
func bin() string { return filepath.Join(here.Plane.Dir(), "bin") }

// install installs Gitlatch, has git declare its Deployments, and applies the policy.
func install(ctx context.Context) error {
	var err error
	here.Gate, err = gitlatch.Install(ctx, here.Plane, gitlatch.Options{
		Replicas: 2, Applier: true, Reporter: true, ReporterFlags: []string{"--heartbeat-interval=2s"}, Progress: os.Stderr,
		Binary: filepath.Join(bin(), "webhook"), ApplierBinary: filepath.Join(bin(), "applier"), ReporterBinary: filepath.Join(bin(), "reporter"),
	})
	if err != nil {
		return err
	}
	if node, err = here.Gate.Kubelet(); err != nil {
		return err
	}
	node.Run()
	for _, component := range []string{"webhook", "applier", "reporter"} {
		text, err := deployment(component, func(*appsv1.Deployment) {})
		if err != nil {
			return err
		}
		if err := here.Gate.Apply(ctx, text); err != nil {
			return err
		}
	}
	return here.Gate.Policy(ctx, gitlatch.EnforceApplier())
}

// deployment is the manifest of a component, as git has it, with a change.
func deployment(component string, change func(*appsv1.Deployment)) (string, error) {
	files, err := filepath.Glob("../../manifests/default/4?-" + component + ".yaml")
	if err != nil || len(files) != 1 {
		return "", fmt.Errorf("finding the manifest of the %s: %v %w", component, files, err)
	}
	text, err := os.ReadFile(files[0])
	if err != nil {
		return "", err
	}
	d := &appsv1.Deployment{}
	if err := yaml.UnmarshalStrict(text, d); err != nil {
		return "", err
	}
	d.Spec.Template.Spec.Containers[0].Image = released
	change(d)
	text, err = yaml.Marshal(d)
	return string(text), err
}

// released is the image of manifests/default.
const released = "ghcr.io/gitlatch/gitlatch:v0.1.0"

// commit has git change a component's Deployment.
func commit(t *testing.T, component string, change func(*appsv1.Deployment)) {
	t.Helper()
	text, err := deployment(component, change)
	world.Must(t, err)
	here.Declare(t, text)
}

// flagged gives the container one more argument, after those that it has.
func flagged(arg string) func(*appsv1.Deployment) {
	return func(d *appsv1.Deployment) {
		c := &d.Spec.Template.Spec.Containers[0]
		c.Args = append(slices.Clone(c.Args), arg)
	}
}

func unchanged(*appsv1.Deployment) {}

// rolledOut waits until a component's Deployment is what it says.
func rolledOut(t *testing.T, component string) {
	t.Helper()
	here.Kubectl(t, "admin", "rollout", "status", "deployment/gitlatch-"+component, "-n", gitlatch.Namespace, "--timeout=2m").MustAllow(t)
}

// guards waits until the gate answers, and says that it denies a person what is git's.
func guards(t *testing.T) {
	t.Helper()
	world.Must(t, here.Gate.WaitRegistered(t.Context()))
	world.Must(t, here.Gate.WaitPolicy(t.Context(), "cluster"))
	here.Kubectl(t, "alice", "create", "configmap", here.Named("by-hand"), "-n", "default").MustDeny(t, v1alpha1.ReasonOutOfBand)
}

// recorded waits for a record that begins no earlier, to the second, and that is as asked.
func recorded(t *testing.T, what string, since time.Time, is func(*v1alpha1.ChangeRecord) bool) v1alpha1.ChangeRecord {
	t.Helper()
	var found v1alpha1.ChangeRecord
	world.Eventually(t, "the record of "+what, 90*time.Second, func(context.Context) error {
		all := here.Records(t, func(r *v1alpha1.ChangeRecord) bool {
			return !r.CreationTimestamp.Time.Before(since.Truncate(time.Second)) && is(r)
		})
		if len(all) == 0 {
			return fmt.Errorf("there is none")
		}
		found = all[0]
		return nil
	})
	return found
}

// gap is the record of a time in which the gate was not as it should be, which has ended.
func gap(causes ...string) func(*v1alpha1.ChangeRecord) bool {
	return func(r *v1alpha1.ChangeRecord) bool {
		return r.Spec.Gap != nil && r.Status.Gap != nil && slices.Contains(causes, r.Spec.Gap.Cause)
	}
}

// anyGap is [gap], ended or not.
func anyGap(cause string) func(*v1alpha1.ChangeRecord) bool {
	return func(r *v1alpha1.ChangeRecord) bool { return r.Spec.Gap != nil && r.Spec.Gap.Cause == cause }
}

// explained says, when a test has failed, what the processes last said.
func explained(t *testing.T) {
	t.Cleanup(func() {
		if !t.Failed() {
			return
		}
		t.Logf("the kubelet's trouble: %v", node.Trouble())
		for _, pod := range node.Pods() {
			lines := slices.DeleteFunc(strings.Split(node.Logs(pod), "\n"), func(l string) bool { return strings.Contains(l, "healthz check failed") })
			t.Logf("%s:\n%s", pod, process.LastLines(strings.Join(lines, "\n"), 12))
		}
		said, _, _ := here.Plane.Kubectl(context.Background(), "admin", "", "get", "changerecords", "-l", v1alpha1.LabelOutcome+"=Tampered",
			"-o", `jsonpath={range .items[*]}{.metadata.creationTimestamp} {.spec.gap} {.status.gap} {.spec.message}{"\n"}{end}`)
		t.Logf("gaps:\n%s", said)
	})
}

// registeredAs waits until the API server is told to do this where the gate can't be asked.
func registeredAs(t *testing.T, failurePolicy string) {
	t.Helper()
	world.Eventually(t, "the registration under "+failurePolicy, time.Minute, func(context.Context) error {
		for _, kind := range []string{"mutating", "validating"} {
			said := here.Kubectl(t, "admin", "get", kind+"webhookconfiguration", "gitlatch", "-o", "jsonpath={.webhooks[*].failurePolicy}").Out
			if strings.Trim(strings.ReplaceAll(said, failurePolicy, ""), " ") != "" || said == "" {
				return fmt.Errorf("the %s webhooks have %q", kind, said)
			}
		}
		return nil
	})
}

// errorOf is a question that needs no context.
func errorOf(ask func() error) func(context.Context) error {
	return func(context.Context) error { return ask() }
}

func lacks(text, what string) error {
	if strings.Contains(text, what) {
		return fmt.Errorf("%s is in it", what)
	}
	return nil
}

func all(*v1alpha1.ChangeRecord) bool { return true }
