package desired

import (
	"errors"
	"io/fs"
	"testing"
	"testing/fstest"
)

func TestEachErrorIsToldOnce(t *testing.T) {
	one := &Error{Reason: ReasonDecryption, File: "a.yaml", Err: errMAC}
	other := &Error{Reason: ReasonPlaintext, File: "a.yaml", Object: "Secret prod/db", Key: "data.password", Err: errPlaintext}
	got := worst(errors.Join(one, other), errors.Join(one, other, one))
	if want := one.Error() + "\n" + other.Error(); got.Error() != want {
		t.Errorf("told\n%s\nnot\n%s", got, want)
	}
}

func TestASubmoduleIsRefused(t *testing.T) {
	tree := withSubmodule{MapFS: fstest.MapFS{
		"apps/web.yaml": &fstest.MapFile{Data: []byte("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: web}\n")},
		"apps/team":     &fstest.MapFile{Mode: fs.ModeDir | 0o755},
	}, at: "apps/team"}
	want := "apps/team: " + errSubmodule.Error()
	if _, err := Render(t.Context(), tree, Options{Path: "apps"}); textOf(err) != want {
		t.Errorf("the error is %q, not %q", textOf(err), want)
	}
	if _, err := Render(t.Context(), tree, Options{Path: "apps/team"}); textOf(err) != want {
		t.Errorf("of a submodule itself the error is %q, not %q", textOf(err), want)
	}
}

// withSubmodule shows one folder as applier/git shows a submodule.
type withSubmodule struct {
	fstest.MapFS
	at string
}

func (f withSubmodule) Stat(name string) (fs.FileInfo, error) {
	info, err := f.MapFS.Stat(name)
	if name == f.at {
		return submoduleInfo{info}, err
	}
	return info, err
}

type submoduleInfo struct{ fs.FileInfo }

func (submoduleInfo) Submodule() bool { return true }
