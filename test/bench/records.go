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

	"k8s.io/client-go/kubernetes"

	"github.com/gitlatch/gitlatch/test/cluster"
	"github.com/gitlatch/gitlatch/test/gitlatch"
)

// How many records there are, and the target of whoever reads them all.
const (
	fewRecords    = 5_000
	recordsStored = 50_000
	recordsMemory = 256 << 20
)

// silentAudit has the API server note nothing: what is measured is no review of a log.
const silentAudit = "apiVersion: audit.k8s.io/v1\nkind: Policy\nrules:\n- level: None\n"

// manyRecords measures the plugin as a process of its own, on a cluster with few records and then with many.
func manyRecords(ctx context.Context, progress io.Writer) ([]Table, error) {
	fmt.Fprintln(progress, "starting a control plane for many records")
	dir, err := os.MkdirTemp("", "gitlatch-bench-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	quiet := filepath.Join(dir, "audit.yaml")
	if err := os.WriteFile(quiet, []byte(silentAudit), 0o600); err != nil {
		return nil, err
	}
	plane, err := cluster.Start(ctx, cluster.Options{APIServerArgs: []string{"--audit-policy-file=" + quiet}})
	if err != nil {
		return nil, err
	}
	r := &reading{world: &world{plane: plane}, dir: dir, progress: progress}
	defer r.stop()
	// Without the gate nobody minds who writes a record.
	if r.gate, err = gitlatch.Install(ctx, plane, gitlatch.Options{NoWebhook: true}); err != nil {
		return nil, err
	}
	if err := gitlatch.Build(ctx, dir, "kubectl-gitlatch"); err != nil {
		return nil, err
	}
	return r.measure(ctx)
}

// reading is a plugin, and the records that it reads.
type reading struct {
	*world
	dir      string
	progress io.Writer
	stored   int
}

// question is one call of the plugin.
type question struct {
	name  string
	args  []string
	lines func(stored int) int // that it answers at least
	keeps bool                 // all that it shows, to sort it: its memory grows with that
}

func questions() []question {
	first := func(share int) func(int) int { return func(stored int) int { return min(stored/share, 100) } }
	return []question{
		{name: "records list", args: []string{"records", "list"}, lines: first(1)},
		{name: "records list --limit 0 -o name", args: []string{"records", "list", "--limit", "0", "-o", "name"}, keeps: true,
			lines: func(stored int) int { return stored }},
		{name: "records list --user", args: []string{"records", "list", "--user", seededUser(7)}, lines: first(seededUsers)},
		{name: "records list --outcome --unreviewed --since", lines: first(seededKinds),
			args: []string{"records", "list", "--outcome", "BreakGlass", "--unreviewed", "--since", "240h"}},
		{name: "review list", args: []string{"review", "list"}, lines: first(2 * seededKinds)},
		{name: "status", args: []string{"status"}, lines: func(int) int { return 10 }},
	}
}

func (r *reading) measure(ctx context.Context) ([]Table, error) {
	t := Table{
		Title:   "Many records, read by the plugin",
		Note:    "peak: the most memory that the process had. ratio: to the peak with few records. --limit 0 keeps all of them to sort them.",
		Columns: []string{"time", "peak", "ratio"},
	}
	few := map[string]float64{}
	for _, n := range []int{fewRecords, recordsStored} {
		if err := r.store(ctx, n); err != nil {
			return nil, err
		}
		fmt.Fprintf(r.progress, "reading %d records\n", n)
		// The CRD has just changed, and the API server reads all records anew before it answers.
		if _, _, err := r.ask(ctx, questions()[0]); err != nil {
			return nil, err
		}
		for _, q := range questions() {
			took, peak, err := r.ask(ctx, q)
			if err != nil {
				return nil, err
			}
			if n == fewRecords {
				few[q.name] = peak
			}
			row := Row{Name: fmt.Sprintf("%d: %s", n, q.name), Values: []Value{nanoseconds(took), {peak, unitBytes}, {peak / few[q.name], unitRatio}}}
			if !q.keeps {
				row.Target, row.Missed = fmt.Sprintf("< %d MiB", recordsMemory>>20), peak >= recordsMemory
			}
			t.Rows = append(t.Rows, row)
		}
	}
	return []Table{t}, nil
}

// store makes records until there are n. Their status goes in with the rest: the CRD has no subresource meanwhile.
func (r *reading) store(ctx context.Context, n int) error {
	fmt.Fprintf(r.progress, "storing %d records\n", n-r.stored)
	c, err := r.client("admin")
	if err != nil {
		return err
	}
	if err := r.subresource(ctx, `{"op":"remove","path":"/spec/versions/0/subresources"}`); err != nil {
		return err
	}
	if err := gitlatch.WaitFor(ctx, 30*time.Second, "a record to be stored whole", func(ctx context.Context) error { return r.probe(ctx, c) }); err != nil {
		return err
	}
	first, now := r.stored, time.Now()
	r.stored = n
	err = each(n-first, func(i int) error {
		_, err := post(ctx, c, seeded(first+i, now))
		return err
	})
	return errors.Join(err, r.subresource(ctx, `{"op":"add","path":"/spec/versions/0/subresources","value":{"status":{}}}`))
}

func (r *reading) subresource(ctx context.Context, patch string) error {
	_, stderr, code := r.plane.Kubectl(ctx, "admin", "", "patch", "crd", "changerecords.gitlatch.dev", "--type=json", "-p", "["+patch+"]")
	if code != 0 {
		return fmt.Errorf("changing the CRD of records: %s", stderr)
	}
	return nil
}

const recordsPath = "/apis/gitlatch.dev/v1alpha1/changerecords"

// probe says whether a record keeps the status that it is made with.
func (r *reading) probe(ctx context.Context, c kubernetes.Interface) error {
	rec := seeded(0, time.Now())
	rec.Name = "probe"
	answer, err := post(ctx, c, rec)
	if err != nil {
		return err
	}
	gone := c.Discovery().RESTClient().Delete().AbsPath(recordsPath, rec.Name).Do(ctx).Error()
	var kept struct{ Status struct{ Count int64 } }
	if err := json.Unmarshal(answer, &kept); err != nil || gone != nil {
		return errors.Join(err, gone)
	}
	if kept.Status.Count == 0 {
		return errors.New("the status was dropped")
	}
	return nil
}

func post(ctx context.Context, c kubernetes.Interface, object any) ([]byte, error) {
	body, err := json.Marshal(object)
	if err != nil {
		return nil, err
	}
	answer, err := c.Discovery().RESTClient().Post().AbsPath(recordsPath).SetHeader("Content-Type", "application/json").Body(body).DoRaw(ctx)
	if err != nil {
		return nil, fmt.Errorf("storing a record: %w", err)
	}
	return answer, nil
}

// ask runs the plugin, wants so many lines, and gives how long it took and the most memory that it had.
func (r *reading) ask(ctx context.Context, q question) (time.Duration, float64, error) {
	cmd := exec.CommandContext(ctx, filepath.Join(r.dir, "kubectl-gitlatch"), q.args...)
	cmd.Env = r.plane.KubectlEnv("admin")
	var said, answer bytes.Buffer
	cmd.Stderr, cmd.Stdout = &said, &answer
	began := time.Now()
	err := cmd.Run()
	took := time.Since(began)
	var exit *exec.ExitError
	if err != nil && !(errors.As(err, &exit) && q.name == "status" && exit.ExitCode() == 1) { // 1: a signal needs attention
		return 0, 0, fmt.Errorf("running kubectl gitlatch %s: %w: %s", q.name, err, said.String())
	}
	lines := bytes.Count(answer.Bytes(), []byte("\n"))
	if want := q.lines(r.stored); lines < want {
		return 0, 0, fmt.Errorf("reading the answer of kubectl gitlatch %s: %d lines, want %d", q.name, lines, want)
	}
	usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	if !ok {
		return 0, 0, errors.New("reading the memory of the plugin: this system does not tell")
	}
	return took, float64(usage.Maxrss) * 1024, nil // in KiB, getrusage(2) on Linux
}
