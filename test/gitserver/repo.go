package gitserver

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Repo is a repository with a work tree, driven by the git command line. Its origin is a bare repository beside it,
// which is what servers serve.
type Repo struct {
	Dir  string // the work tree
	Bare string // the origin: Dir + ".git"
}

// NewRepo makes an empty repository with the branch main in dir, and its empty origin beside it.
func NewRepo(dir string) (*Repo, error) {
	r := &Repo{Dir: dir, Bare: dir + ".git"}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	for _, args := range [][]string{
		{"init", "--quiet", "--initial-branch=main", "."},
		{"init", "--quiet", "--initial-branch=main", "--bare", r.Bare},
		{"-C", r.Bare, "config", "http.receivepack", "true"},
		{"remote", "add", "origin", r.Bare},
	} {
		if _, err := r.Git(args...); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// FileURL is the origin as a file URL.
func (r *Repo) FileURL() string { return "file://" + r.Bare }

// Git runs git in the work tree, and returns what it wrote, trimmed. For what no method does.
func (r *Repo) Git(args ...string) (string, error) { return r.run(nil, nil, args...) }

// GitInput is [Repo.Git] with a standard input.
func (r *Repo) GitInput(input []byte, args ...string) (string, error) {
	return r.run(nil, input, args...)
}

func (r *Repo) run(env []string, input []byte, args ...string) (string, error) {
	cmd := exec.Command("git", args...)
	cmd.Dir = r.Dir
	cmd.Env = append(environment(), env...)
	cmd.Stdin = bytes.NewReader(input)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("running git %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(stderr.String()))
	}
	return strings.TrimSpace(stdout.String()), nil
}

// environment leaves out what of the machine's would change what git does.
func environment() []string {
	env := slices.DeleteFunc(os.Environ(), func(v string) bool {
		return strings.HasPrefix(v, "GIT_") || strings.HasPrefix(v, "SSH_")
	})
	return append(env, "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null", "GIT_CONFIG_NOSYSTEM=1",
		"GIT_TERMINAL_PROMPT=0", "LC_ALL=C",
		"GIT_AUTHOR_NAME=alice", "GIT_AUTHOR_EMAIL=alice@example.com",
		"GIT_COMMITTER_NAME=alice", "GIT_COMMITTER_EMAIL=alice@example.com")
}

// Write puts a file into the work tree, with its folders.
func (r *Repo) Write(file, content string) error {
	path := filepath.Join(r.Dir, filepath.FromSlash(file))
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, []byte(content), 0o644)
}

// Remove takes a file or a folder out of the work tree.
func (r *Repo) Remove(file string) error {
	path := filepath.Join(r.Dir, filepath.FromSlash(file))
	if _, err := os.Lstat(path); err != nil {
		return err
	}
	return os.RemoveAll(path)
}

// Symlink puts a symbolic link into the work tree; the target is written as it is.
func (r *Repo) Symlink(target, file string) error {
	path := filepath.Join(r.Dir, filepath.FromSlash(file))
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.Symlink(target, path)
}

// Commit commits the work tree as it is, changed or not, and returns the commit's hash.
func (r *Repo) Commit(message string, options ...Option) (string, error) {
	if _, err := r.Git("add", "--all", "."); err != nil {
		return "", err
	}
	return r.make(collect(options), "commit", "--quiet", "--allow-empty", "--message", message)
}

// CommitFiles writes these files, commits, and returns the commit's hash.
func (r *Repo) CommitFiles(message string, files map[string]string, options ...Option) (string, error) {
	for _, file := range slices.Sorted(maps.Keys(files)) {
		if err := r.Write(file, files[file]); err != nil {
			return "", err
		}
	}
	return r.Commit(message, options...)
}

// Merge merges a branch into the current one, always with a merge commit, and returns its hash.
func (r *Repo) Merge(branch, message string, options ...Option) (string, error) {
	return r.make(collect(options), "merge", "--quiet", "--no-ff", "--message", message, branch)
}

// Revert undoes a commit by a new one, and returns the new one's hash.
func (r *Repo) Revert(commit string, options ...Option) (string, error) {
	return r.make(collect(options), "revert", "--no-edit", commit)
}

// make runs what makes a commit, and returns its hash.
func (r *Repo) make(o commitOptions, command string, args ...string) (string, error) {
	full := append(o.config(), command)
	if o.key != nil {
		full = append(full, "-S")
	}
	if _, err := r.run(o.env(), nil, append(full, args...)...); err != nil {
		return "", err
	}
	return r.Head()
}

// Tag names the current commit, or another. Without a message and a key the tag is a lightweight one.
func (r *Repo) Tag(name, message, commit string, options ...Option) error {
	o := collect(options)
	args := append(o.config(), "tag", "--force")
	switch {
	case o.key != nil:
		args = append(args, "--sign", "--message", message)
	case message != "":
		args = append(args, "--annotate", "--message", message)
	}
	args = append(args, name)
	if commit != "" {
		args = append(args, commit)
	}
	_, err := r.run(o.env(), nil, args...)
	return err
}

// Branch makes a branch at the current commit, or at the given one, and checks it out.
func (r *Repo) Branch(name string, at ...string) error {
	_, err := r.Git(append([]string{"checkout", "--quiet", "-B", name}, at...)...)
	return err
}

// Checkout checks a branch out.
func (r *Repo) Checkout(branch string) error {
	_, err := r.Git("checkout", "--quiet", branch)
	return err
}

// Reset moves the current branch and the work tree to a commit, for a push by force.
func (r *Repo) Reset(commit string) error {
	_, err := r.Git("reset", "--quiet", "--hard", commit)
	return err
}

// Head is the hash of the current commit.
func (r *Repo) Head() (string, error) { return r.Git("rev-parse", "HEAD") }

// Push pushes every branch and tag to the origin; a branch that was rewritten is refused.
func (r *Repo) Push() error {
	_, err := r.Git("push", "--quiet", "origin", "refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*")
	return err
}

// ForcePush makes the origin's branches and tags what they are here, whatever they were.
func (r *Repo) ForcePush() error {
	_, err := r.Git("push", "--quiet", "--prune", "origin", "+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*")
	return err
}

// PushTo pushes the current branch to a URL over ssh or https, as a person would.
func (r *Repo) PushTo(url string, c Client) error {
	env, err := c.environment()
	if err != nil {
		return err
	}
	_, err = r.run(env, nil, append(c.config(), "push", "--quiet", url, "HEAD")...)
	return err
}

// Option says who commits, when, and with which signature.
type Option func(*commitOptions)

type commitOptions struct {
	author, committer string
	at                time.Time
	key               *Key
}

// By names the author and committer, such as "bob"; left out: alice. The address is the name at example.com.
func By(name string) Option {
	return func(o *commitOptions) { o.author, o.committer = name, name }
}

// CommittedBy names a committer other than the author; it follows By.
func CommittedBy(name string) Option {
	return func(o *commitOptions) { o.committer = name }
}

// At says when; left out: now.
func At(when time.Time) Option { return func(o *commitOptions) { o.at = when } }

// SignedBy signs with a key of [NewSSHKey] or [NewPGPKey].
func SignedBy(key *Key) Option { return func(o *commitOptions) { o.key = key } }

func collect(options []Option) commitOptions {
	o := commitOptions{author: "alice", committer: "alice"}
	for _, option := range options {
		option(&o)
	}
	return o
}

func (o commitOptions) env() []string {
	env := []string{
		"GIT_AUTHOR_NAME=" + o.author, "GIT_AUTHOR_EMAIL=" + o.author + "@example.com",
		"GIT_COMMITTER_NAME=" + o.committer, "GIT_COMMITTER_EMAIL=" + o.committer + "@example.com",
	}
	if !o.at.IsZero() {
		at := o.at.Format(time.RFC3339)
		env = append(env, "GIT_AUTHOR_DATE="+at, "GIT_COMMITTER_DATE="+at)
	}
	if o.key != nil {
		env = append(env, o.key.env...)
	}
	return env
}

func (o commitOptions) config() []string {
	if o.key == nil {
		return nil
	}
	return slices.Clone(o.key.config)
}
