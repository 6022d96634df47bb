package git

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
)

// lab is a repository made by git's command line, signed by keys that ssh-keygen made.
type lab struct {
	t     *testing.T
	dir   string // the work tree
	keys  string
	clock time.Time // of the last commit or tag; each is an hour after the one before
}

func newLab(t *testing.T) *lab {
	t.Helper()
	l := &lab{t: t, dir: t.TempDir(), keys: t.TempDir(), clock: time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)}
	l.git("init", "-q", "-b", "main")
	return l
}

func (l *lab) command(stdin []byte, name string, args ...string) ([]byte, error) {
	cmd := exec.Command(name, args...)
	cmd.Dir, cmd.Stdin = l.dir, bytes.NewReader(stdin)
	cmd.Env = append(os.Environ(), "HOME="+l.keys, "GNUPGHOME="+l.keys, "TZ=UTC", "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL="+os.DevNull,
		fmt.Sprintf("GIT_AUTHOR_DATE=%d +0000", l.clock.Unix()), fmt.Sprintf("GIT_COMMITTER_DATE=%d +0000", l.clock.Unix()))
	out, err := cmd.CombinedOutput()
	if err != nil {
		err = fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, out)
	}
	return out, err
}

func (l *lab) run(stdin []byte, name string, args ...string) string {
	l.t.Helper()
	out, err := l.command(stdin, name, args...)
	if err != nil {
		l.t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

func (l *lab) git(args ...string) string {
	l.t.Helper()
	return l.run(nil, "git", args...)
}

// signatory is a person with an ssh key; without one they can't sign.
type signatory struct {
	email, key string
}

// person makes somebody and their key.
func (l *lab) person(name string) signatory {
	l.t.Helper()
	p := signatory{email: name + "@example.com", key: filepath.Join(l.keys, name)}
	l.run(nil, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", p.key)
	return p
}

func (p signatory) unsigned() signatory { return signatory{email: p.email} }

// public is the key as it stands in allowed_signers.
func (p signatory) public(t *testing.T) string {
	t.Helper()
	content, err := os.ReadFile(p.key + ".pub")
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(content))
}

func (p signatory) fingerprint(t *testing.T) string {
	t.Helper()
	key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(p.public(t)))
	if err != nil {
		t.Fatal(err)
	}
	return ssh.FingerprintSHA256(key)
}

// trust lists people as allowed signers.
func (l *lab) trust(people ...signatory) Trust {
	l.t.Helper()
	var lines strings.Builder
	for _, p := range people {
		fmt.Fprintf(&lines, "%s %s\n", p.email, p.public(l.t))
	}
	return Trust{AllowedSigners: map[string][]byte{"signers": []byte(lines.String())}}
}

// as is git for somebody, an hour later.
func (l *lab) as(p signatory) []string {
	l.clock = l.clock.Add(time.Hour)
	name, _, _ := strings.Cut(p.email, "@")
	args := []string{"-c", "user.name=" + name, "-c", "user.email=" + p.email}
	if p.key != "" {
		args = append(args, "-c", "gpg.format=ssh", "-c", "user.signingkey="+p.key, "-c", "commit.gpgsign=true")
	}
	return args
}

// commit changes one file.
func (l *lab) commit(p signatory, file, content string, options ...string) string {
	l.t.Helper()
	if err := os.WriteFile(filepath.Join(l.dir, file), []byte(content+"\n"), 0o600); err != nil {
		l.t.Fatal(err)
	}
	l.git("add", "-A")
	l.git(append(append(l.as(p), "commit", "-q", "--allow-empty", "-m", "set "+file), options...)...)
	return l.head()
}

// merge merges a branch, without a fast-forward.
func (l *lab) merge(p signatory, branch string, options ...string) string {
	l.t.Helper()
	l.git(append(append(l.as(p), "merge", "-q", "--no-ff", "-m", "merge "+branch, branch), options...)...)
	return l.head()
}

// mergeTree makes a merge whose tree is that of any commit.
func (l *lab) mergeTree(p signatory, tree string, parents ...string) string {
	l.t.Helper()
	args := append(l.as(p), "commit-tree", "-m", "merge", tree+"^{tree}")
	if p.key != "" {
		args = append(args, "-S")
	}
	for _, parent := range parents {
		args = append(args, "-p", parent)
	}
	return l.git(args...)
}

// tag signs a tag.
func (l *lab) tag(p signatory, name, target string) {
	l.t.Helper()
	sign := "-s"
	if p.key == "" {
		sign = "-a"
	}
	l.git(append(l.as(p), "tag", sign, "-m", "approved", name, target)...)
}

func (l *lab) head() string { return l.git("rev-parse", "HEAD") }

// write stores an object whatever it holds.
func (l *lab) write(kind string, content []byte) string {
	l.t.Helper()
	return l.run(content, "git", "hash-object", "--literally", "-t", kind, "-w", "--stdin")
}

func (l *lab) raw(kind, hash string) []byte {
	l.t.Helper()
	out, err := l.command(nil, "git", "cat-file", kind, hash)
	if err != nil {
		l.t.Fatal(err)
	}
	return out
}

func (l *lab) verify(d Demand) (Verified, error) {
	l.t.Helper()
	repository, err := Open(l.dir)
	if err != nil {
		l.t.Fatal(err)
	}
	return repository.Verify(l.t.Context(), d)
}

// verified asks for a good verdict.
func (l *lab) verified(d Demand) Verified {
	l.t.Helper()
	v, err := l.verify(d)
	if err != nil {
		l.t.Fatalf("not verified: %v", err)
	}
	return v
}

// refused asks for a bad verdict with this reason; in it $1 stands for the short hash of
// the first of the commits, and so on.
func (l *lab) refused(d Demand, reason string, commits ...string) {
	l.t.Helper()
	for i, commit := range commits {
		reason = strings.ReplaceAll(reason, fmt.Sprintf("$%d", i+1), commit[:7])
	}
	v, err := l.verify(d)
	var unverified *UnverifiedError
	switch {
	case !errors.As(err, &unverified):
		l.t.Fatalf("no verdict: %+v, %v", v, err)
	case unverified.Reason != reason:
		l.t.Fatalf("the verdict is\n%s, not\n%s", unverified.Reason, reason)
	case unverified.Commit != d.Commit:
		l.t.Fatalf("the verdict is about %s, not %s", unverified.Commit, d.Commit)
	}
}
