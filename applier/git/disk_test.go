package git

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gitlatch/gitlatch/test/gitserver"
)

// TestACorruptRepositoryIsReplaced: whatever is wrong with it, and without a word from anybody.
func TestACorruptRepositoryIsReplaced(t *testing.T) {
	o := newOrigin(t)
	o.must(o.Tag("v1.0.0", "release", ""))
	o.push("scale", "web.yaml", strings.Repeat("replicas: 2\n", 100))
	server := startHTTPS(t, o.root, gitserver.HTTPS{})
	c := Credentials{CA: server.CA}
	for name, spoil := range map[string]func(path string) error{
		"a pack cut short": func(path string) error { return onPack(path, func(f string) error { return os.Truncate(f, 100) }) },
		"an empty pack":    func(path string) error { return onPack(path, func(f string) error { return os.Truncate(f, 0) }) },
		"a flipped bit": func(path string) error {
			return onPack(path, func(f string) error {
				content, err := os.ReadFile(f)
				if err != nil {
					return err
				}
				content[len(content)/2] ^= 1
				return os.WriteFile(f, content, 0o600)
			})
		},
		"a pack without its index": func(path string) error {
			return onPack(path, func(f string) error { return os.Remove(strings.TrimSuffix(f, ".pack") + ".idx") })
		},
		"an index without its pack": func(path string) error { return onPack(path, os.Remove) },
		"half an index": func(path string) error {
			return onPack(path, func(f string) error { return os.Truncate(strings.TrimSuffix(f, ".pack")+".idx", 500) })
		},
		"no HEAD":       func(path string) error { return os.Remove(filepath.Join(path, "HEAD")) },
		"an empty HEAD": func(path string) error { return os.Truncate(filepath.Join(path, "HEAD"), 0) },
		"references of nonsense": func(path string) error {
			return os.WriteFile(filepath.Join(path, "packed-refs"), []byte("x y z\n"), 0o600)
		},
		"a reference to nothing": func(path string) error {
			return os.WriteFile(filepath.Join(path, "packed-refs"), []byte(strings.Repeat("1", 40)+" refs/heads/main\n"), 0o600)
		},
		"an empty folder":     func(path string) error { return removeAllBelow(path) },
		"a file in its place": func(path string) error { return instead(path) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			first := open(t, dir, server.URL("ops"))
			mustSync(t, first, c, Ref{})
			if err := spoil(first.path); err != nil {
				t.Fatal(err)
			}
			again := open(t, dir, server.URL("ops")) // as after a restart
			rev := mustSync(t, again, c, Ref{})
			if got := contents(t, again, rev.Commit, "web.yaml"); !strings.HasPrefix(got, "replicas: 2\n") {
				t.Errorf("web.yaml holds %q", got)
			}
			fsck(t, again)
			if left, err := filepath.Glob(again.path + ".*-*"); err != nil || len(left) > 0 {
				t.Errorf("left behind: %v, %v", left, err)
			}
		})
	}
}

// TestDamageThatShowsWhileItIsRead: the next fetch replaces it, without a restart.
func TestDamageThatShowsWhileItIsRead(t *testing.T) {
	o := newOrigin(t)
	server := startHTTPS(t, o.root, gitserver.HTTPS{})
	c, dir := Credentials{CA: server.CA}, t.TempDir()
	mustSync(t, open(t, dir, server.URL("ops")), c, Ref{})
	r := open(t, dir, server.URL("ops")) // nothing is in its memory
	if err := onPack(r.path, func(f string) error { return os.Truncate(f, 30) }); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Tree(o.head()); err == nil {
		t.Fatal("a commit was read from a pack of 30 bytes")
	}
	rev := mustSync(t, r, c, Ref{})
	if got := contents(t, r, rev.Commit, "web.yaml"); got != "replicas: 1\n" {
		t.Errorf("web.yaml holds %q", got)
	}
}

// TestWhatAKilledProcessLeaves is swept away by the next.
func TestWhatAKilledProcessLeaves(t *testing.T) {
	o := newOrigin(t)
	server := startHTTPS(t, o.root, gitserver.HTTPS{})
	c, dir := Credentials{CA: server.CA}, t.TempDir()
	r := open(t, dir, server.URL("ops"))
	mustSync(t, r, c, Ref{})
	for _, left := range []string{r.path + ".new-123/objects", r.path + ".old-/objects", r.path + "/incoming-123/x"} {
		if err := os.MkdirAll(left, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	o.push("scale", "web.yaml", "replicas: 2\n")
	mustSync(t, open(t, dir, server.URL("ops")), c, Ref{})
	for _, pattern := range []string{r.path + ".*-*", r.path + "/incoming-*"} {
		if left, err := filepath.Glob(pattern); err != nil || len(left) > 0 {
			t.Errorf("left behind: %v, %v", left, err)
		}
	}
}

// TestManyPacksBecomeFew: and nothing is lost, deltas by name included.
func TestManyPacksBecomeFew(t *testing.T) {
	o := newOrigin(t)
	server := startHTTPS(t, o.root, gitserver.HTTPS{})
	c, dir := Credentials{CA: server.CA}, t.TempDir()
	r := open(t, dir, server.URL("ops"))
	var commits []string
	for i := range manyPacks + 5 {
		commits = append(commits, o.push("scale", "web.yaml", strings.Repeat(fmt.Sprintf("replicas: %d\n", i), 50)))
		mustSync(t, r, c, Ref{})
	}
	packs, err := filepath.Glob(filepath.Join(r.path, "objects", "pack", "*.pack"))
	if err != nil || len(packs) > 10 {
		t.Errorf("there are %d packs, %v", len(packs), err)
	}
	for _, fresh := range []*Repository{r, open(t, dir, r.url)} {
		for i, commit := range commits {
			if got, want := contents(t, fresh, commit, "web.yaml"), strings.Repeat(fmt.Sprintf("replicas: %d\n", i), 50); got != want {
				t.Fatalf("commit %d holds %.20q", i, got)
			}
		}
	}
	fsck(t, r)
}

// fsck lets git judge what we wrote.
func fsck(t *testing.T, r *Repository) {
	t.Helper()
	cmd := exec.Command("git", "-C", r.path, "fsck", "--full", "--strict")
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("git fsck: %v\n%s", err, out)
	}
}

func onPack(path string, spoil func(string) error) error {
	packs, err := filepath.Glob(filepath.Join(path, "objects", "pack", "*.pack"))
	if err != nil || len(packs) != 1 {
		return fmt.Errorf("%d packs, not one: %w", len(packs), err)
	}
	return spoil(packs[0])
}

func removeAllBelow(path string) error {
	if err := os.RemoveAll(path); err != nil {
		return err
	}
	return os.Mkdir(path, 0o700)
}

func instead(path string) error {
	if err := os.RemoveAll(path); err != nil {
		return err
	}
	return os.WriteFile(path, nil, 0o600)
}

// TestAKilledFetch kills a process in the middle of a fetch, again and again, later each time.
func TestAKilledFetch(t *testing.T) {
	if os.Getenv("GIT_TEST_FETCH") != "" {
		child(t)
		return
	}
	o := newOrigin(t)
	o.push("much", "large.bin", noise(8<<20))
	dir := t.TempDir()
	server := startHTTPS(t, o.root, gitserver.HTTPS{})
	ca := filepath.Join(t.TempDir(), "ca.crt")
	o.must(os.WriteFile(ca, server.CA, 0o600))
	killed := 0
	for i := range 12 {
		cmd := exec.Command(os.Args[0], "-test.run=^TestAKilledFetch$")
		cmd.Env = append(os.Environ(), "GIT_TEST_FETCH="+server.URL("ops"), "GIT_TEST_DIR="+dir, "GIT_TEST_CA="+ca)
		o.must(cmd.Start())
		timer := time.AfterFunc(time.Duration(20+i*30)*time.Millisecond, func() { _ = cmd.Process.Kill() })
		if cmd.Wait() != nil {
			killed++
		}
		timer.Stop()
		if i%4 == 3 {
			o.push("more", "large.bin", noise(8<<20)+fmt.Sprint(i))
		}
	}
	if killed == 0 {
		t.Fatal("no process was killed in time")
	}
	r := open(t, dir, server.URL("ops"))
	rev := mustSync(t, r, Credentials{CA: server.CA}, Ref{})
	if got := contents(t, r, rev.Commit, "web.yaml"); got != "replicas: 1\n" {
		t.Errorf("web.yaml holds %q", got)
	}
	fsck(t, r)
}

// child is the process that is killed.
func child(t *testing.T) {
	ca, err := os.ReadFile(os.Getenv("GIT_TEST_CA"))
	if err != nil {
		t.Fatal(err)
	}
	mustSync(t, open(t, os.Getenv("GIT_TEST_DIR"), os.Getenv("GIT_TEST_FETCH")), Credentials{CA: ca}, Ref{})
}
