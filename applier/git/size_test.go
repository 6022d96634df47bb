package git

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/gitlatch/gitlatch/test/gitserver"
)

const manyCommits, manyFiles = 10_000, 5_000

// longHistory makes a repository of 5,000 manifests in 50 folders and 10,000 commits, each of which changes one.
func longHistory(t testing.TB) (*gitserver.Repo, string) {
	t.Helper()
	root := t.TempDir()
	repo, err := gitserver.NewRepo(filepath.Join(root, "ops"))
	if err != nil {
		t.Fatal(err)
	}
	var stream bytes.Buffer
	began := time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC).Unix()
	for i := range manyCommits {
		fmt.Fprintf(&stream, "commit refs/heads/main\ncommitter alice <alice@example.com> %d +0000\n", began+int64(i)*3600)
		message := fmt.Sprintf("change %d\n\nIt was needed.\n", i)
		fmt.Fprintf(&stream, "data %d\n%s", len(message), message)
		if i == 0 {
			for file := range manyFiles {
				manifest(&stream, file, 0)
			}
			continue
		}
		manifest(&stream, i*7%manyFiles, i)
	}
	if _, err := repo.GitInput(stream.Bytes(), "fast-import", "--quiet"); err != nil {
		t.Fatal(err)
	}
	if err := repo.Push(); err != nil {
		t.Fatal(err)
	}
	return repo, root
}

func manifest(to *bytes.Buffer, file, version int) {
	content := fmt.Sprintf(`apiVersion: apps/v1
kind: Deployment
metadata:
  name: app-%d
  namespace: team-%d
spec:
  replicas: %d
  selector: {matchLabels: {app: app-%[1]d}}
  template:
    metadata: {labels: {app: app-%[1]d}}
    spec:
      containers:
      - name: app
        image: registry.example/app-%[1]d:1.%[3]d.%[4]d
        resources: {requests: {cpu: 100m, memory: 128Mi}, limits: {memory: 256Mi}}
`, file, file/100, version, version*7919%1000)
	fmt.Fprintf(to, "M 100644 inline clusters/prod/team-%02d/app-%04d.yaml\ndata %d\n%s\n", file/100, file, len(content), content)
}

// TestALongHistoryIsSmallInMemory clones, walks and reads in a process of its own, and asks the kernel what it took at
// its peak: over https, and from a folder.
func TestALongHistoryIsSmallInMemory(t *testing.T) {
	if os.Getenv("GIT_TEST_LONG") != "" {
		readAll(t)
		return
	}
	if runtime.GOOS != "linux" {
		t.Log("only Linux says what a process took at its peak")
		return
	}
	repo, root := longHistory(t)
	server := startHTTPS(t, root, gitserver.HTTPS{})
	ca := filepath.Join(t.TempDir(), "ca.crt")
	if err := os.WriteFile(ca, server.CA, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, url := range []string{server.URL("ops"), repo.FileURL()} {
		cmd := exec.Command(os.Args[0], "-test.run=^TestALongHistoryIsSmallInMemory$", "-test.v")
		cmd.Env = append(os.Environ(), "GIT_TEST_LONG="+url, "GIT_TEST_CA="+ca)
		out, err := cmd.CombinedOutput()
		t.Logf("%s", out)
		if err != nil {
			t.Fatal(err)
		}
	}
}

func readAll(t *testing.T) {
	ca, err := os.ReadFile(os.Getenv("GIT_TEST_CA"))
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	lap := func(what string) {
		t.Logf("%s: %v, %d MiB at the peak", what, time.Since(began).Round(time.Millisecond), peak(t)>>20)
		began = time.Now()
	}
	dir := t.TempDir()
	r := open(t, dir, os.Getenv("GIT_TEST_LONG"))
	lap("start")
	rev := mustSync(t, r, Credentials{CA: ca}, Ref{})
	lap("clone")
	count := 0
	walk := func(visit func(Commit) error) {
		count = 0
		err := r.Walk(t.Context(), rev.Commit, func(c Commit) (bool, error) {
			count++
			return true, visit(c)
		})
		if err != nil || count != manyCommits {
			t.Fatalf("walked %d commits, %v", count, err)
		}
	}
	walk(func(Commit) error { return nil })
	lap("walk")
	walk(func(c Commit) error {
		_, _, err := r.TreeHash(c.Hash, "clusters/prod/team-07/app-0700.yaml")
		return err
	})
	lap("walk with the hash of a file")
	readTree(t, r, rev.Commit)
	lap("read 5000 files")
	mustSync(t, r, Credentials{CA: ca}, Ref{})
	lap("sync again")
	mustSync(t, open(t, dir, r.url), Credentials{CA: ca}, Ref{})
	lap("open again")
	if _, err := r.IsAncestor(context.Background(), "0123456789012345678901234567890123456789", rev.Commit); err != nil {
		t.Fatal(err)
	}
	lap("look for a commit that is not there")
	if got := peak(t); got > 200<<20 {
		t.Errorf("it took %d MiB at its peak, more than 200", got>>20)
	}
}

func readTree(t *testing.T, r *Repository, commit string) {
	t.Helper()
	tree, err := r.Tree(commit)
	if err != nil {
		t.Fatal(err)
	}
	files := 0
	err = fs.WalkDir(tree, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		files++
		_, err = tree.ReadFile(path)
		return err
	})
	if err != nil || files != manyFiles {
		t.Fatalf("read %d files, %v", files, err)
	}
}

// peak is the most memory that this process had at once.
func peak(t *testing.T) int {
	t.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	match := regexp.MustCompile(`VmHWM:\s+(\d+) kB`).FindSubmatch(status)
	if match == nil {
		t.Fatal("the kernel doesn't say what this process took")
	}
	kib, err := strconv.Atoi(string(match[1]))
	if err != nil {
		t.Fatal(err)
	}
	return kib << 10
}
