//go:build peers && linux

package peers

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/clientcmd"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/reporter/archive"
	"github.com/gitlatch/gitlatch/reporter/archive/postgres"
	"github.com/gitlatch/gitlatch/reporter/retention"
	"github.com/gitlatch/gitlatch/test/gitlatch"
)

// TestRecordsGoToPostgreSQL: what alice was denied is archived in a real PostgreSQL and
// then deleted, by the reporter's own account and through the gate; while the database
// is away nothing is deleted; and the plugin names the row that somebody edited.
func TestRecordsGoToPostgreSQL(t *testing.T) {
	d := newDatabase(t)
	namespace := named("archived")
	synced(t, fmt.Sprintf("apiVersion: v1\nkind: Namespace\nmetadata: {name: %s}\n", namespace))
	for n := range 6 {
		denied(t, "alice", "create", "configmap", fmt.Sprintf("by-hand-%d", n), "-n", namespace)
	}
	var before []string
	eventually(t, "the records", 30*time.Second, func() error {
		if before = recordsIn(t, namespace); len(before) != 6 {
			return fmt.Errorf("there are %d", len(before))
		}
		return nil
	})
	loop := retentionLoop(t, d.dsnFile("owner"))
	d.stop(syscall.SIGINT)
	result, err := loop.Pass(t.Context())
	if archiving := (*retention.ArchiveError)(nil); !errors.As(err, &archiving) || result.Pending < 6 || strings.Contains(err.Error(), d.password) {
		t.Errorf("while the database is away: %+v, %v", result, err)
	}
	if diff := cmp.Diff(before, recordsIn(t, namespace)); diff != "" {
		t.Errorf("records while the database is away (-want +got):\n%s", diff)
	}
	d.start()
	if _, err := loop.Pass(t.Context()); err != nil {
		t.Fatal(err)
	}
	if left := recordsIn(t, namespace); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
	archived := d.ask(`SELECT name FROM gitlatch_archive WHERE line::json->'record'->'spec'->'request'->>'namespace' = '` + namespace + `' ORDER BY name`)
	if diff := cmp.Diff(before, archived); diff != "" {
		t.Errorf("archived (-want +got):\n%s", diff)
	}
	thePluginReads(t, d)
}

// thePluginReads runs the real plugin over the archive as it is, and as somebody left it.
func thePluginReads(t *testing.T, d *database) {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "kubectl-gitlatch")
	if out, err := exec.Command("go", "build", "-o", binary, "../../cmd/kubectl-gitlatch").CombinedOutput(); err != nil {
		t.Fatalf("building the plugin: %v\n%s", err, out)
	}
	verify := func() (string, int) {
		cmd := exec.Command(binary, "archive", "verify", "--postgres-dsn-file", d.dsnFile("owner"), "--kubeconfig", plane.Kubeconfig("admin"))
		var out bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &out
		_ = cmd.Run()
		return regexp.MustCompile(` {2,}`).ReplaceAllString(out.String(), "  "), cmd.ProcessState.ExitCode()
	}
	d.run(`CREATE TABLE copy AS SELECT * FROM gitlatch_archive`)
	name := d.ask(`SELECT name FROM gitlatch_archive WHERE seq = 3`)[0]
	for _, tc := range []struct {
		done, statement, want string
		code                  int
	}{
		{"nothing", `SELECT 1`, "intact: ", 0},
		{"a line is edited", `UPDATE gitlatch_archive SET line = replace(line, 'alice', 'mallory') WHERE seq = 3`,
			"edited  gitlatch_archive  3  3  " + name + "  its hash is not that of its content\n", 1},
		{"a column is edited", `UPDATE gitlatch_archive SET name = 'cr-other' WHERE seq = 3`,
			"edited  gitlatch_archive  3  3  " + name + "  the columns beside the line don't say what it says\n", 1},
		{"a row is deleted", `DELETE FROM gitlatch_archive WHERE seq = 3`,
			"removed  gitlatch_archive  4  3  <none>  the line with seq 3 is missing before it\n", 1},
		{"the last rows are deleted, and the head with them", `DELETE FROM gitlatch_archive WHERE seq > 3; DELETE FROM gitlatch_archive_head`,
			"truncated  gitlatch_archive  <none>  4  <none>  it ends with seq 3, and the cluster knows of lines up to ", 1},
	} {
		d.run(tc.statement)
		if out, code := verify(); code != tc.code || !strings.Contains(out, tc.want) {
			t.Errorf("%s: exit %d, want %d with %q:\n%s", tc.done, code, tc.code, tc.want, out)
		}
		d.run(`TRUNCATE gitlatch_archive`, `INSERT INTO gitlatch_archive SELECT * FROM copy`)
	}
}

// retentionLoop archives as the reporter does, with its rights, a hundred days from now.
func retentionLoop(t *testing.T, dsnFile string) *retention.Loop {
	t.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", gate.Reporter().Kubeconfig())
	must(t, err)
	scheme := runtime.NewScheme()
	must(t, errors.Join(clientgoscheme.AddToScheme(scheme), v1alpha1.AddToScheme(scheme)))
	c, err := client.New(config, client.Options{Scheme: scheme})
	must(t, err)
	store := &postgres.Store{DSNFile: dsnFile, Timeout: 10 * time.Second}
	t.Cleanup(func() { must(t, store.Close()) })
	return &retention.Loop{
		Store: c, Sink: store, Heads: &archive.Heads{Client: c, Namespace: gitlatch.Namespace, Sink: postgres.Sink},
		Clock: clocktesting.NewFakeClock(time.Now().Add(100 * 24 * time.Hour)), Options: retention.Options{MaxAge: retention.DefaultMaxAge},
	}
}

// recordsIn are the names of the records of a namespace.
func recordsIn(t *testing.T, namespace string) []string {
	t.Helper()
	stdout, stderr, code := plane.Kubectl(t.Context(), "admin", "", "get", "changerecords", "-l", v1alpha1.LabelNamespace+"="+namespace, "-o", "name")
	if code != 0 {
		t.Fatal(stderr)
	}
	names := []string{}
	for _, name := range strings.Fields(stdout) {
		names = append(names, strings.TrimPrefix(name, "changerecord.gitlatch.dev/"))
	}
	slices.Sort(names)
	return names
}

// batchOf is so many records that no cluster has.
func batchOf(first, n int) []*v1alpha1.ChangeRecord {
	var out []*v1alpha1.ChangeRecord
	for i := first; i < first+n; i++ {
		rec := &v1alpha1.ChangeRecord{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("cr-%06d", i), UID: types.UID(fmt.Sprint(i)), ResourceVersion: "1"}}
		rec.Spec.Message = "a NUL, which jsonb takes not: \x00" // and a person may send
		out = append(out, rec)
	}
	return out
}

// TestPostgreSQLStopsInTheMiddle: whatever the database was doing when it went away, each
// record stands in it once, and the chain is whole.
func TestPostgreSQLStopsInTheMiddle(t *testing.T) {
	d := newDatabase(t)
	store := &postgres.Store{DSNFile: d.dsnFile("owner"), Timeout: 5 * time.Second}
	defer func() { must(t, store.Close()) }()
	const batches, size = 400, 10
	ended := make(chan error, 1)
	progress := make(chan int, batches)
	var head archive.Head
	failures := 0
	go func() {
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
		defer cancel()
		for n := 0; n < batches; {
			done, err := store.Append(ctx, head, time.Now(), batchOf(n*size, size))
			if ctx.Err() != nil {
				ended <- fmt.Errorf("batch %d: %w", n, err)
				return
			}
			if err != nil {
				failures++
				time.Sleep(20 * time.Millisecond)
				continue
			}
			head = done.Head
			progress <- n
			n++
		}
		ended <- nil
	}()
	for _, at := range []int{40, 120, 230} {
		for range at / 2 {
			select {
			case <-progress:
			case err := <-ended:
				t.Fatalf("it ended early: %v", err)
			}
		}
		d.stop(syscall.SIGQUIT)
		d.start()
	}
	must(t, <-ended)
	if failures == 0 {
		t.Error("no batch met a database that was away")
	}
	if got, want := d.ask(`SELECT count(*) || ' ' || count(DISTINCT uid) FROM gitlatch_archive WHERE uid <> ''`)[0], fmt.Sprintf("%d %[1]d", batches*size); got != want {
		t.Errorf("rows and records: %s, want %s", got, want)
	}
	if r := verifiedIn(t, store.DSNFile, head); !r.Intact || r.Records != batches*size || r.Last != head {
		t.Errorf("the archive is %+v", r)
	}
}

func verifiedIn(t *testing.T, dsnFile string, head archive.Head) archive.Report {
	t.Helper()
	connection, err := postgres.Connect(t.Context(), dsnFile)
	must(t, err)
	defer func() { must(t, connection.Close(context.Background())) }()
	v := &archive.Verifier{Head: &head}
	must(t, postgres.Verify(t.Context(), connection, v))
	return v.Finish()
}

// TestAnAccountThatMayOnlyAdd: where the tables are there, the reporter needs no right to
// change or delete what is written, nor to make a table.
func TestAnAccountThatMayOnlyAdd(t *testing.T) {
	d := newDatabase(t)
	owner := &postgres.Store{DSNFile: d.dsnFile("owner")}
	done, err := owner.Append(t.Context(), archive.Head{}, time.Now(), batchOf(0, 2))
	must(t, err)
	must(t, owner.Close())
	d.run(`CREATE ROLE adder LOGIN PASSWORD '`+d.password+`'`, `REVOKE CREATE ON SCHEMA public FROM PUBLIC`,
		`GRANT SELECT, INSERT ON gitlatch_archive TO adder`, `GRANT SELECT, INSERT, UPDATE ON gitlatch_archive_head TO adder`)
	adder := &postgres.Store{DSNFile: d.dsnFile("adder")}
	defer func() { must(t, adder.Close()) }()
	done, err = adder.Append(t.Context(), done.Head, time.Now(), batchOf(1, 3)) // of which one is there
	must(t, err)
	if want := (archive.Appended{Head: done.Head, Written: 2}); done != want || done.Head.Seq != 5 {
		t.Errorf("Append() = %+v, want %+v", done, want)
	}
	connection, err := postgres.Connect(t.Context(), adder.DSNFile)
	must(t, err)
	defer func() { must(t, connection.Close(context.Background())) }()
	for _, statement := range []string{`UPDATE gitlatch_archive SET line = ''`, `DELETE FROM gitlatch_archive`} {
		if _, err := connection.Exec(t.Context(), statement); err == nil || !strings.Contains(err.Error(), "permission denied") {
			t.Errorf("%s: %v", statement, err)
		}
	}
	// A row that is gone: the store says so, and goes on so that it shows.
	d.run(`DELETE FROM gitlatch_archive WHERE seq = 5`)
	done, err = adder.Append(t.Context(), done.Head, time.Now(), batchOf(9, 1))
	must(t, err)
	if done.Broken == "" {
		t.Errorf("Append() = %+v", done)
	}
	if r := verifiedIn(t, adder.DSNFile, done.Head); r.Intact || len(r.Findings) != 1 || r.Findings[0].What != archive.Removed || r.Findings[0].Seq != 5 {
		t.Errorf("the archive is %+v", r)
	}
}

// TestNoPasswordInAnError: whatever is wrong with the connection.
func TestNoPasswordInAnError(t *testing.T) {
	d := newDatabase(t)
	for name, dsn := range map[string]string{
		"a wrong user":         d.dsn("stranger"),
		"a wrong password":     strings.Replace(d.dsn("owner"), d.password, "daffodil", 1),
		"a wrong port":         strings.Replace(d.dsn("owner"), d.port, "1", 1),
		"no connection string": "postgres://owner:daffodil@[::1:5432/x",
		"a wrong keyword":      "host=127.0.0.1 password=daffodil sslmode=tulip",
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "dsn")
			must(t, os.WriteFile(path, []byte(dsn), 0o600))
			_, err := postgres.Connect(t.Context(), path)
			if err == nil || strings.Contains(err.Error(), d.password) || strings.Contains(err.Error(), "daffodil") {
				t.Errorf("Connect() = %v", err)
			}
		})
	}
}
