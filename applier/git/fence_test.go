package git

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const (
	noRoots   = "repositories on the applier's own disk are not read: give the folder that they are in with --allow-file-root, or use https or ssh"
	outside   = "it is, or leads, outside the folders that --allow-file-root gives"
	keptThere = "it is, or leads, where fetched repositories are kept, which are other people's: use the URL that it was fetched from"
)

// TestNobodyReadsWhatAnotherFetched: where it is kept follows from its URL, so the name is no secret. Alice has fetched
// it; mallory may write what she likes below a folder that is allowed.
func TestNobodyReadsWhatAnotherFetched(t *testing.T) {
	o, mine := newOrigin(t), t.TempDir()
	store := &Store{Dir: filepath.Join(t.TempDir(), "data"), FileRoots: []string{"/"}}
	r, err := store.Repository(o.FileURL())
	o.must(err)
	mustSync(t, r, Credentials{}, Ref{})
	kept := filepath.Join(store.Dir, folderOf(o.FileURL()))
	bare := func(name string) string {
		path := filepath.Join(mine, name)
		o.must(exec.CommandContext(t.Context(), "git", "init", "--quiet", "--bare", path).Run())
		o.must(exec.CommandContext(t.Context(), "cp", "-r", filepath.Join(kept, "packed-refs"), path).Run())
		return path
	}
	write := func(path, content string) {
		o.must(os.MkdirAll(filepath.Dir(path), 0o700))
		o.must(os.WriteFile(path, []byte(content), 0o600))
	}
	link := func(target, path string) { o.must(os.Symlink(target, path)) }
	link(kept, filepath.Join(mine, "linked"))
	link(store.Dir, filepath.Join(mine, "around"))
	write(filepath.Join(mine, "pointing", ".git"), "gitdir: "+kept+"\n")
	write(filepath.Join(bare("sharing"), "commondir"), kept+"\n")
	own := filepath.Join(mine, "borrowing")
	o.must(exec.CommandContext(t.Context(), "cp", "-r", newOrigin(t).Bare, own).Run())
	write(filepath.Join(own, "objects", "info", "alternates"), filepath.Join(kept, "objects")+"\n")
	o.must(os.RemoveAll(filepath.Join(bare("objects"), "objects")))
	link(filepath.Join(kept, "objects"), filepath.Join(mine, "objects", "objects"))
	o.must(os.RemoveAll(filepath.Join(bare("packs"), "objects", "pack")))
	link(filepath.Join(kept, "objects", "pack"), filepath.Join(mine, "packs", "objects", "pack"))
	for _, path := range []string{
		kept, store.Dir + "/./" + filepath.Base(kept), "/proc/self/root" + kept, filepath.Join(mine, "linked"),
		filepath.Join(mine, "around", filepath.Base(kept)), filepath.Join(mine, "pointing"), filepath.Join(mine, "sharing"),
		filepath.Join(mine, "borrowing"), filepath.Join(mine, "objects"), filepath.Join(mine, "packs"),
	} {
		url := "file://" + path
		r, err := store.Repository(url)
		if err == nil {
			_, err = fetchRef(within(t, time.Minute), r, Credentials{}, Ref{Branch: "main"})
		}
		wantError(t, err, ErrURL, "reading "+url+": "+keptThere)
	}
}

func TestWhereFileURLsMayLead(t *testing.T) {
	o := newOrigin(t)
	links := t.TempDir()
	o.must(os.Symlink(o.root, filepath.Join(links, "in")))
	for name, tc := range map[string]struct {
		roots []string
		path  string
		want  string
	}{
		"nowhere, unless a folder is given":       {nil, o.Bare, noRoots},
		"below a folder":                          {[]string{"/nonexistent", o.root}, o.Bare, ""},
		"to the folder itself":                    {[]string{o.Bare}, o.Bare, ""},
		"below a folder that is given by a link":  {[]string{filepath.Join(links, "in")}, o.Bare, ""},
		"not to a folder whose name begins alike": {[]string{o.Bare[:len(o.Bare)-1]}, o.Bare, outside},
		"not up":            {[]string{links}, links + "/../" + filepath.Base(o.root), outside},
		"not out by a link": {[]string{links}, filepath.Join(links, "in", filepath.Base(o.Bare)), outside},
		"to nothing, which is said when it is read": {[]string{o.root}, o.root + "/nothing/at/all", ""},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := (&Store{Dir: t.TempDir(), FileRoots: tc.roots}).Repository("file://" + tc.path)
			if tc.want == "" {
				o.must(err)
				return
			}
			wantError(t, err, ErrURL, "reading file://"+tc.path+": "+tc.want)
		})
	}
}

// TestALinkThatTurnsLater is looked at again when it is read.
func TestALinkThatTurnsLater(t *testing.T) {
	o := newOrigin(t)
	links := t.TempDir()
	url := "file://" + filepath.Join(links, "ops")
	r, err := (&Store{Dir: t.TempDir(), FileRoots: []string{links}}).Repository(url)
	o.must(err)
	o.must(os.Symlink(o.Bare, filepath.Join(links, "ops")))
	_, err = r.Resolve(t.Context(), Credentials{}, Ref{})
	wantError(t, err, ErrURL, "reading "+url+": "+outside)
}

// TestWhatNobodyAsksForIsFreed: what another process fetched, and what was killed on the way, too.
func TestWhatNobodyAsksForIsFreed(t *testing.T) {
	o, other, dir := newOrigin(t), newOrigin(t), t.TempDir()
	before := &Store{Dir: dir, FileRoots: []string{"/"}}
	for _, url := range []string{o.FileURL(), other.FileURL()} {
		r, err := before.Repository(url)
		o.must(err)
		mustSync(t, r, Credentials{}, Ref{})
	}
	gone := folderOf(other.FileURL())
	o.must(os.Mkdir(filepath.Join(dir, gone+".new-123"), 0o700))
	o.must(os.Mkdir(filepath.Join(dir, folderOf("https://git.example/ops.git")+".old-"), 0o700))
	o.must(os.WriteFile(filepath.Join(dir, "notes.git"), nil, 0o600))

	after := &Store{Dir: dir}
	removed, err := after.Keep(t.Context(), []string{o.FileURL(), "https://git.example/never-fetched.git"})
	o.must(err)
	if removed != 2 {
		t.Errorf("removed %d, want 2", removed)
	}
	names := func() (names []string) {
		entries, err := os.ReadDir(dir)
		o.must(err)
		for _, e := range entries {
			names = append(names, e.Name())
		}
		return names
	}
	stays := folderOf(o.FileURL())
	if diff := cmp.Diff([]string{stays, stays + ".lock", "notes.git"}, names()); diff != "" {
		t.Errorf("left on disk (-want +got):\n%s", diff)
	}
	// The same process, by whom it is open.
	if removed, err := before.Keep(t.Context(), nil); removed != 1 || err != nil {
		t.Errorf("removed %d, %v", removed, err)
	}
	if diff := cmp.Diff([]string{"notes.git"}, names()); diff != "" {
		t.Errorf("left on disk (-want +got):\n%s", diff)
	}
	r, err := before.Repository(o.FileURL())
	o.must(err)
	mustSync(t, r, Credentials{}, Ref{})
}
