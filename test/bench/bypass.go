package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gitlatch/gitlatch/test/gitlatch"
)

// Targets of the bypass review.
const (
	fieldsMemory = 256 << 20
	fieldsGrowth = 1.25 // of the memory, from few objects to many
	logRate      = 50e6 // bytes a second
	logMemory    = 128 << 20
	logSize      = 1 << 30
)

// How many objects are examined, few and many.
const (
	fewObjects  = 5_000
	manyObjects = 20_000
)

// bypassReview measures `kubectl gitlatch audit` as a process of its own: on a cluster, and on a log.
func bypassReview(ctx context.Context, progress io.Writer) ([]Table, error) {
	fmt.Fprintln(progress, "starting a control plane for the bypass review")
	w, err := newWorld(ctx, io.Discard)
	if err != nil {
		return nil, err
	}
	defer w.stop()
	dir := filepath.Join(w.plane.Dir(), "bypass")
	if err := gitlatch.Build(ctx, dir, "kubectl-gitlatch"); err != nil {
		return nil, err
	}
	if err := w.guard(ctx, progress); err != nil {
		return nil, err
	}
	if err := w.furnish(ctx); err != nil {
		return nil, err
	}
	time.Sleep(6 * time.Second) // what was written in the first seconds of a policy is not asked about
	r := &reviewing{world: w, dir: dir, progress: progress}
	fields, err := r.fields(ctx)
	if err != nil {
		return nil, err
	}
	log, err := r.log(ctx)
	return []Table{fields, log}, err
}

type reviewing struct {
	*world
	dir      string
	progress io.Writer
	made     int
	logged   int64 // of the API server's log, before the first object
}

// fields has few and then many objects examined.
func (r *reviewing) fields(ctx context.Context) (Table, error) {
	t := Table{
		Title:   "Bypass review by managedFields: kubectl gitlatch audit",
		Note:    "peak: the most memory that the process had. ratio: to the peak with few objects.",
		Columns: []string{"time", "peak", "ratio"},
	}
	info, err := os.Stat(r.plane.AuditLog())
	if err != nil {
		return t, err
	}
	r.logged = info.Size()
	few := 0.0
	for _, n := range []int{fewObjects, manyObjects} {
		if err := r.declare(ctx, n); err != nil {
			return t, err
		}
		fmt.Fprintf(r.progress, "auditing %d objects\n", n)
		took, peak, err := r.audit(ctx)
		if err != nil {
			return t, err
		}
		row := Row{
			Name: fmt.Sprintf("%d objects", n), Values: []Value{nanoseconds(took), {peak, unitBytes}, {1, unitRatio}},
			Target: fmt.Sprintf("< %d MiB", fieldsMemory>>20), Missed: peak >= fieldsMemory,
		}
		if n == fewObjects {
			few = peak
		} else {
			row.Values[2].Number = peak / few
			row.Target += fmt.Sprintf(", within %.0f%%", (fieldsGrowth-1)*100)
			row.Missed = row.Missed || peak > fieldsGrowth*few
		}
		t.Rows = append(t.Rows, row)
	}
	return t, nil
}

// declare makes objects by git's hand until there are n.
func (r *reviewing) declare(ctx context.Context, n int) error {
	fmt.Fprintf(r.progress, "making %d objects\n", n-r.made)
	c, err := r.client(gitlatch.SyncLogin)
	if err != nil {
		return err
	}
	by := metav1.CreateOptions{FieldManager: gitlatch.SyncFieldManager}
	first := r.made
	r.made = n
	return each(n-first, func(i int) error {
		meta := metav1.ObjectMeta{Namespace: enforced, Name: fmt.Sprintf("declared-%05d", first+i), Labels: map[string]string{"app": "bench"}}
		var err error
		if i%2 == 0 {
			_, err = c.CoreV1().ConfigMaps(enforced).Create(ctx, &corev1.ConfigMap{ObjectMeta: meta, Data: data()}, by)
		} else {
			rules := []rbacv1.PolicyRule{{APIGroups: []string{""}, Resources: []string{"pods"}, Verbs: []string{"get", "list"}}}
			_, err = c.RbacV1().Roles(enforced).Create(ctx, &rbacv1.Role{ObjectMeta: meta, Rules: rules}, by)
		}
		return err
	})
}

// log has a GiB of what the API server wrote of that read, over and over.
func (r *reviewing) log(ctx context.Context) (Table, error) {
	t := Table{
		Title:   "Bypass review by the audit log: kubectl gitlatch audit --offline --audit-log",
		Note:    "The log is a GiB of the one that the API server wrote while the objects were made.",
		Columns: []string{"time", "MB/s", "peak"},
	}
	log, rules := filepath.Join(r.dir, "audit.log"), filepath.Join(r.dir, "policy.yaml")
	fmt.Fprintln(r.progress, "writing an audit log of a GiB, and auditing it")
	size, err := repeated(r.plane.AuditLog(), r.logged, log)
	if err != nil {
		return t, err
	}
	defer os.Remove(log)
	if err := os.WriteFile(rules, []byte(policyCluster), 0o600); err != nil {
		return t, err
	}
	took, peak, err := r.audit(ctx, "--offline", "-f", rules, "--audit-log", log)
	if err != nil {
		return t, err
	}
	rate := float64(size) / took.Seconds()
	t.Rows = []Row{{
		Name: fmt.Sprintf("%d MiB", size>>20), Values: []Value{nanoseconds(took), {rate / 1e6, ""}, {peak, unitBytes}},
		Target: fmt.Sprintf(">= %.0f MB/s, < %d MiB", logRate/1e6, logMemory>>20), Missed: rate < logRate || peak >= logMemory,
	}}
	return t, nil
}

// repeated writes the lines of a log that are behind an offset until there is a GiB.
func repeated(from string, offset int64, to string) (int64, error) {
	content, err := os.ReadFile(from)
	if err != nil {
		return 0, err
	}
	lines := content[offset:]
	lines = lines[:bytes.LastIndexByte(lines, '\n')+1]
	if len(lines) == 0 {
		return 0, fmt.Errorf("repeating %s: nothing is behind byte %d", from, offset)
	}
	file, err := os.Create(to)
	if err != nil {
		return 0, err
	}
	size := int64(0)
	for size < logSize && err == nil {
		var n int
		n, err = file.Write(lines)
		size += int64(n)
	}
	return size, errors.Join(err, file.Close())
}

// audit runs the command, and gives how long it took and the most memory that it had.
func (r *reviewing) audit(ctx context.Context, args ...string) (time.Duration, float64, error) {
	cmd := exec.CommandContext(ctx, filepath.Join(r.dir, "kubectl-gitlatch"), append([]string{"audit", "-o", "json"}, args...)...)
	cmd.Env = r.plane.KubectlEnv("admin")
	var said, report bytes.Buffer
	cmd.Stderr, cmd.Stdout = &said, &report
	began := time.Now()
	err := cmd.Run()
	took := time.Since(began)
	var exit *exec.ExitError
	if err != nil && !(errors.As(err, &exit) && exit.ExitCode() == 1) { // 1: it found something
		return 0, 0, fmt.Errorf("running kubectl gitlatch audit: %w: %s", err, said.String())
	}
	var examined struct {
		ManagedFields *struct{ Objects int }
	}
	if err := json.Unmarshal(report.Bytes(), &examined); err != nil {
		return 0, 0, fmt.Errorf("reading the report of kubectl gitlatch audit: %w", err)
	}
	if len(args) == 0 && (examined.ManagedFields == nil || examined.ManagedFields.Objects < r.made) {
		return 0, 0, fmt.Errorf("reading the report of kubectl gitlatch audit: fewer than %d objects were examined", r.made)
	}
	usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	if !ok {
		return 0, 0, errors.New("reading the memory of kubectl gitlatch audit: this system does not tell")
	}
	return took, float64(usage.Maxrss) * 1024, nil // in KiB, getrusage(2) on Linux
}
