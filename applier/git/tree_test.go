package git

import (
	"bytes"
	"errors"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/gitlatch/gitlatch/test/gitserver"
	"github.com/google/go-cmp/cmp"
)

func (o *origin) tree() *Tree {
	o.t.Helper()
	r, err := Open(o.Dir)
	o.must(err)
	o.t.Cleanup(r.disk.close)
	tree, err := r.Tree(o.head())
	o.must(err)
	return tree
}

func TestATreeIsAFileSystem(t *testing.T) {
	o := newOrigin(t)
	o.push("more", "clusters/prod/db/base.yaml", "kind: StatefulSet\n")
	o.push("more", "clusters/prod.yaml", "kind: Namespace\n")
	o.push("more", "clusters/prod-eu/empty", "")
	if err := fstest.TestFS(o.tree(), "web.yaml", "clusters/prod/db/base.yaml", "clusters/prod.yaml", "clusters/prod-eu/empty"); err != nil {
		t.Error(err)
	}
}

func TestLinksAreFollowedInsideTheTree(t *testing.T) {
	o := newOrigin(t)
	o.must(o.Write("base/app.yaml", "kind: Deployment\n"))
	for file, target := range map[string]string{
		"to-file":           "base/app.yaml",
		"to-folder":         "base",
		"prod/up":           "../base/app.yaml",
		"prod/chain":        "up",
		"prod/through":      "../to-folder/app.yaml",
		"escape":            "../../etc/passwd",
		"prod/escape":       "../../secret",
		"absolute":          "/etc/passwd",
		"dangling":          "base/nothing.yaml",
		"prod/dangling-dir": "../nowhere",
		"loop":              "loop",
		"a":                 "b",
		"b":                 "a",
		"out-and-in":        "../ops/web.yaml",
		"prod-link":         "prod",
	} {
		o.must(o.Symlink(target, file))
	}
	_, err := o.Commit("links")
	o.must(err)
	tree := o.tree()
	for _, name := range []string{"to-file", "to-folder/app.yaml", "prod/up", "prod/chain", "prod/through"} {
		if content, err := tree.ReadFile(name); err != nil || string(content) != "kind: Deployment\n" {
			t.Errorf("%s: %q, %v", name, content, err)
		}
	}
	for name, want := range map[string]LinkError{
		"escape":              {Link: "escape", Target: "../../etc/passwd", Reason: "leaves the repository"},
		"prod/escape":         {Link: "prod/escape", Target: "../../secret", Reason: "leaves the repository"},
		"absolute":            {Link: "absolute", Target: "/etc/passwd", Reason: "leaves the repository"},
		"dangling":            {Link: "dangling", Target: "base/nothing.yaml", Reason: "leads to nothing in the repository"},
		"prod/dangling-dir/x": {Link: "prod/dangling-dir", Target: "../nowhere", Reason: "leads to nothing in the repository"},
		"loop":                {Link: "loop", Target: "loop", Reason: "leads in a circle"},
		"a":                   {Link: "a", Target: "b", Reason: "leads in a circle"},
		"out-and-in":          {Link: "out-and-in", Target: "../ops/web.yaml", Reason: "leaves the repository"},
	} {
		var got *LinkError
		if _, err := tree.ReadFile(name); !errors.As(err, &got) || *got != want || errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v, not %v", name, err, &want)
		}
		if _, err := tree.Stat(name); !errors.As(err, &got) {
			t.Errorf("stat %s: %v", name, err)
		}
	}
	if _, err := tree.ReadFile("to-folder/nothing.yaml"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a missing file below a link: %v", err)
	}
	var second *LinkError
	if _, err := tree.ReadFile("to-folder/../dangling"); !errors.Is(err, fs.ErrInvalid) {
		t.Errorf("a path with dots: %v", err)
	}
	if _, err := tree.ReadFile("prod-link/dangling-dir/x"); !errors.As(err, &second) || second.Link != "prod/dangling-dir" {
		t.Errorf("a dangling link behind a good one: %v", err)
	}
	if target, err := tree.ReadLink("prod/up"); err != nil || target != "../base/app.yaml" {
		t.Errorf("prod/up leads to %q, %v", target, err)
	}
	linked, _ := tree.Hash("to-folder")
	if plain, ok := tree.Hash("base"); !ok || plain != linked {
		t.Errorf("a link's hash is %s, its folder's %s", linked, plain)
	}
}

func TestASubmoduleIsAnEmptyFolder(t *testing.T) {
	o := newOrigin(t)
	_, err := o.Git("update-index", "--add", "--cacheinfo", "160000,"+o.head()+",vendor/module")
	o.must(err)
	_, err = o.Git("commit", "--quiet", "--message", "a submodule")
	o.must(err)
	tree := o.tree()
	if entries, err := fs.ReadDir(tree, "vendor/module"); err != nil || len(entries) != 0 {
		t.Errorf("the submodule holds %v, %v", entries, err)
	}
	if info, err := tree.Stat("vendor/module"); err != nil || !info.IsDir() {
		t.Errorf("the submodule is %v, %v", info, err)
	}
	if err := fstest.TestFS(tree, "web.yaml"); err != nil {
		t.Error(err)
	}
	r := open(t, t.TempDir(), o.FileURL())
	o.must(o.Push())
	mustSync(t, r, Credentials{}, Ref{}) // its commit is nobody's here
}

func TestAHugeFileIsNamedAndNotRead(t *testing.T) {
	o := newOrigin(t)
	o.push("too much", "data/huge.bin", strings.Repeat("0", MaxFile+1))
	o.push("enough", "data/large.bin", strings.Repeat("0", MaxFile))
	server := startHTTPS(t, o.root, gitserver.HTTPS{})
	r := open(t, t.TempDir(), server.URL("ops"))
	rev := mustSync(t, r, Credentials{CA: server.CA}, Ref{})
	tree, err := r.Tree(rev.Commit)
	o.must(err)
	_, err = tree.ReadFile("data/huge.bin")
	wantError(t, err, ErrTooLarge, "read data/huge.bin: it has 33554433 bytes, more than the 33554432 that are read")
	if content, err := tree.ReadFile("data/large.bin"); err != nil || len(content) != MaxFile {
		t.Errorf("a file of 32 MiB: %d bytes, %v", len(content), err)
	}
	if info, err := tree.Stat("data/huge.bin"); err != nil || info.Size() != MaxFile+1 {
		t.Errorf("stat: %v, %v", info, err)
	}
}

func TestHashesAreEqualWhereTheContentIs(t *testing.T) {
	o := newOrigin(t)
	first := o.push("db", "db/base.yaml", "kind: StatefulSet\n")
	second := o.push("scale", "web.yaml", "replicas: 2\n")
	r, err := Open(o.Bare)
	o.must(err)
	defer r.disk.close()
	type answer struct {
		Hash string
		OK   bool
	}
	for _, path := range []string{".", "db", "db/base.yaml", "web.yaml", "web.yaml/x", "nothing", "db/nothing"} {
		var hashes []answer
		for _, commit := range []string{first, second} {
			tree, err := r.Tree(commit)
			o.must(err)
			hash, ok := tree.Hash(path)
			got, found, err := r.TreeHash(commit, path)
			if err != nil || found != ok || found && got != hash {
				t.Errorf("%s of %s: %s %t, %v; the tree says %s %t", path, commit, got, found, err, hash, ok)
			}
			hashes = append(hashes, answer{got, found})
			if ok {
				want, err := o.Git("rev-parse", commit+":"+strings.TrimPrefix(path, "."))
				if err != nil || want != got {
					t.Errorf("%s: git says %s, %v, not %s", path, want, err, got)
				}
			}
		}
		same := path != "." && path != "web.yaml"
		if got := hashes[0] == hashes[1]; got != same {
			t.Errorf("%s is the same in both: %t", path, got)
		}
	}
}

func FuzzParseTree(f *testing.F) {
	hash := strings.Repeat("h", 20)
	for _, seed := range []string{"100644 a\x00" + hash, "40000 b\x00" + hash + "120000 c\x00" + hash, "100644 ../x\x00" + hash,
		"100644 a", "", " \x00" + hash, "160000 m\x00" + hash[:19], "100755 a\x00" + hash + "100644 a\x00" + hash} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		entries, err := parseTree(bytes.Clone(content))
		if err != nil {
			return
		}
		for i, e := range entries {
			if !validName(e.name) || i > 0 && entries[i-1].name >= e.name {
				t.Errorf("%q is listed after %v", e.name, entries[:i])
			}
			found, isFolder, err := find(content, e.name)
			if err != nil || found != e.hash || isFolder != (e.kind == folder) {
				t.Errorf("%q is found as %s %t, %v", e.name, found, isFolder, err)
			}
		}
	})
}

func TestTreesThatGitMustNotMake(t *testing.T) {
	hash := strings.Repeat("h", 20)
	for content, want := range map[string]string{
		"100644 ..\x00" + hash:                       `an entry with the name ".."`,
		"100644 a/b\x00" + hash:                      `an entry with the name "a/b"`,
		"100644 \x00" + hash:                         `an entry with the name ""`,
		"140000 a\x00" + hash:                        `an entry of mode "140000"`,
		"100644 a\x00" + hash + "40000 a\x00" + hash: `two entries with the name "a"`,
		"100644 a\x00" + hash[:10]:                   "an entry without a hash",
		"100644":                                     "an entry without a mode",
	} {
		if entries, err := parseTree([]byte(content)); err == nil || err.Error() != want {
			t.Errorf("%q: %v, %v, not %s", content, cmp.Diff(nil, len(entries)), err, want)
		}
	}
}
