package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/test/cluster"
	"github.com/gitlatch/gitlatch/test/figures"
	"github.com/gitlatch/gitlatch/test/gitlatch"
	"github.com/gitlatch/gitlatch/test/gitserver"
)

// carrier is a world with an applier and the repository that it follows. The gate is there and no policy: nobody is
// refused anything.
type carrier struct {
	*world
	repo *gitserver.Repo
}

// newCarrier starts a control plane with Gitlatch on it.
func newCarrier(ctx context.Context, dir string, repo *gitserver.Repo, progress io.Writer) (*carrier, error) {
	policy := filepath.Join(dir, "audit.yaml")
	if err := os.WriteFile(policy, []byte(applierAudit), 0o600); err != nil {
		return nil, err
	}
	plane, err := cluster.Start(ctx, cluster.Options{Progress: progress, APIServerArgs: []string{"--audit-policy-file=" + policy}})
	if err != nil {
		return nil, err
	}
	return &carrier{world: &world{plane: plane}, repo: repo}, nil
}

func (c *carrier) install(ctx context.Context, binaries string) (err error) {
	c.gate, err = gitlatch.Install(ctx, c.plane, gitlatch.Options{
		Binary: filepath.Join(binaries, "webhook"), Applier: true, ApplierBinary: filepath.Join(binaries, "applier"),
	})
	return err
}

func (c *carrier) syncs() (dynamic.ResourceInterface, error) {
	client, err := c.dynamic("admin")
	if err != nil {
		return nil, err
	}
	return client.Resource(v1alpha1.GroupVersion.WithResource("gitsyncs")).Namespace(gitlatch.Namespace), nil
}

// follow makes a sync of a folder that is looked at once an hour, and says how long it took until it was Ready, from
// when it was there.
func (c *carrier) follow(ctx context.Context, name string) (time.Duration, error) {
	syncs, err := c.syncs()
	if err != nil {
		return 0, err
	}
	head, err := c.repo.Head()
	if err != nil {
		return 0, err
	}
	sync := &unstructured.Unstructured{Object: map[string]any{
		"metadata": map[string]any{"name": name},
		"spec": map[string]any{
			"url": c.repo.FileURL(), "ref": map[string]any{"branch": "main"}, "path": name, "interval": "1h", "deletionPolicy": "Prune",
		},
	}}
	sync.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind("GitSync"))
	if _, err := syncs.Create(ctx, sync, metav1.CreateOptions{}); err != nil {
		return 0, fmt.Errorf("making GitSync %s: %w", name, err)
	}
	began := time.Now()
	err = c.until(ctx, name, func(sync *v1alpha1.GitSync) bool { return applied(sync, head) })
	return time.Since(began), err
}

// applied says that the commit is, and the sync Ready.
func applied(sync *v1alpha1.GitSync, commit string) bool {
	return sync.Status.LastAppliedCommit == commit && conditionTrue(sync, v1alpha1.ConditionReady)
}

func conditionTrue(sync *v1alpha1.GitSync, name string) bool {
	for _, condition := range sync.Status.Conditions {
		if condition.Type == name {
			return condition.Status == metav1.ConditionTrue
		}
	}
	return false
}

// until watches a sync until it is as wanted. It doesn't ask again and again, which would be measured too.
func (c *carrier) until(ctx context.Context, name string, is func(*v1alpha1.GitSync) bool) error {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()
	syncs, err := c.syncs()
	if err != nil {
		return err
	}
	changes, err := syncs.Watch(ctx, metav1.ListOptions{FieldSelector: fields.OneTermEqualSelector("metadata.name", name).String()})
	if err != nil {
		return fmt.Errorf("watching GitSync %s: %w", name, err)
	}
	defer changes.Stop()
	last := &v1alpha1.GitSync{}
	for e := range changes.ResultChan() {
		found, ok := e.Object.(*unstructured.Unstructured)
		if !ok {
			continue
		}
		if last, err = syncOf(found); err != nil {
			return err
		}
		if is(last) {
			return nil
		}
	}
	return fmt.Errorf("waiting for GitSync %s: %w: it is at %q: %+v", name, errors.Join(ctx.Err(), errors.New("the watch ended")), last.Status.LastAppliedCommit, last.Status.Conditions)
}

// ask requests a sync now, and says how long it took until a commit was applied.
func (c *carrier) ask(ctx context.Context, name, commit string) (time.Duration, error) {
	if err := c.patch(ctx, name, fmt.Sprintf(`{"metadata":{"annotations":{%q:%q}}}`, v1alpha1.AnnotationRequestedAt, time.Now().Format(time.RFC3339Nano))); err != nil {
		return 0, err
	}
	began := time.Now()
	err := c.until(ctx, name, func(sync *v1alpha1.GitSync) bool { return applied(sync, commit) })
	return time.Since(began), err
}

// cpu is the time for which a process has run; proc(5).
func cpu(pid int) (time.Duration, error) {
	content, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, fmt.Errorf("reading how long a process ran, which needs Linux: %w", err)
	}
	text := string(content)
	columns := strings.Fields(text[strings.LastIndexByte(text, ')')+1:]) // from the third one on
	if len(columns) < 13 {
		return 0, fmt.Errorf("reading how long process %d ran: %q", pid, text)
	}
	ticks := 0
	for _, column := range columns[11:13] { // utime, stime
		n, err := strconv.Atoi(column)
		if err != nil {
			return 0, fmt.Errorf("reading how long process %d ran: %w", pid, err)
		}
		ticks += n
	}
	const userHz = 100 // sysconf(_SC_CLK_TCK) of Linux wherever Go runs
	return time.Duration(ticks) * time.Second / userHz, nil
}

// counted adds one of the applier's counters up.
func (c *carrier) counted(ctx context.Context, name string) (float64, error) {
	return figures.Counter(ctx, http.DefaultClient, c.gate.Applier().MetricsURL(), name, nil)
}

func (c *carrier) patch(ctx context.Context, name, body string) error {
	syncs, err := c.syncs()
	if err != nil {
		return err
	}
	if _, err := syncs.Patch(ctx, name, types.MergePatchType, []byte(body), metav1.PatchOptions{}); err != nil {
		return fmt.Errorf("patching GitSync %s: %w", name, err)
	}
	return nil
}

func syncOf(found *unstructured.Unstructured) (*v1alpha1.GitSync, error) {
	sync := &v1alpha1.GitSync{}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(found.Object, sync); err != nil {
		return nil, fmt.Errorf("reading GitSync %s: %w", found.GetName(), err)
	}
	return sync, nil
}
