package git

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// FuzzParseURL: a URL is refused, or is of a scheme that we know and carries no secret; an error shows none.
func FuzzParseURL(f *testing.F) {
	for _, text := range []string{"https://git.example/ops.git", "ssh://git@git.example:22/ops.git", "file:///srv/ops.git", "https://alice:hunter2@git.example/ops.git",
		"git@git.example:ops.git", "file://host/x", "https:///x", "%zz://", "ssh://a:b@/x"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		u, err := parseURL(text)
		if err != nil {
			return
		}
		if _, secret := u.User.Password(); secret || !slices.Contains([]string{"https", "ssh", "file"}, u.Scheme) || strings.Trim(u.Path, "/") == "" {
			t.Errorf("%q was accepted", text)
		}
	})
}

// FuzzNewest: of a remote's tags, whatever they are called, one of them is the newest in a range, or none is.
func FuzzNewest(f *testing.F) {
	f.Add(">=1.0.0", "v1.2.3\n1.10.0\n20260101\nv1.2.3-rc.1")
	f.Add("~1.x || <0", "v1\nv01.0.0\n1.0.0+a")
	f.Add("*", "")
	f.Add("1.2.3.4 -", "v99999999999999999999.0.0")
	f.Fuzz(func(t *testing.T, constraint, list string) {
		r := references{names: map[string]string{}, peeled: map[string]string{}}
		for i, tag := range strings.Split(list, "\n") {
			r.names[tags+tag] = fmt.Sprintf("%040x", i)
		}
		name, err := r.newest(constraint, "a remote")
		if _, known := r.names[name]; err == nil && !known {
			t.Errorf("%q of %q: %q is no tag", constraint, list, name)
		}
	})
}

// FuzzHostKeys: known_hosts, which a Secret holds, can be read, or the line that can't is named, and no file of ours.
func FuzzHostKeys(f *testing.F) {
	const key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGPKSUTyz1HwHReFVvD5obVsALAgJRNarH4TRpNePnAS"
	for _, text := range []string{"git.example " + key, "|1|AAAA|BBBB " + key, "@revoked * " + key, "@cert-authority [git.example]:22 " + key, "# nothing\n\n", "git.example ssh-rsa", "\x00"} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		scratch := t.TempDir()
		check, algorithms, err := hostKeys("git.example:22", content, scratch)
		if err != nil && strings.Contains(err.Error(), scratch) {
			t.Errorf("the error names a file of ours: %v", err)
		}
		if (err == nil) != (check != nil) || !slices.IsSorted(algorithms) {
			t.Errorf("error %v, a check: %t, algorithms %v", err, check != nil, algorithms)
		}
	})
}

// FuzzObjects: commits and tags as verification reads them, out of order and cut off as well.
func FuzzObjects(f *testing.F) {
	const tree, who = "tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\n", " Alice <alice@example> 1767225600 +0000\n"
	f.Add([]byte(tree + "author" + who + "committer" + who + "\nthe shop\n"))
	f.Add([]byte("author" + who + tree + tree + "parent x\nparent y\ncommitter\n"))
	f.Add([]byte("object a\ntype commit\ntag v1\ntagger" + who + "\nv1\n-----BEGIN SSH SIGNATURE-----\n"))
	f.Add([]byte(tree + "gpgsig a\n b\n\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		c := parseChange("x", raw)
		if !c.malformed && c.tree == "" && !strings.HasPrefix(string(raw), "tree ") {
			t.Errorf("a commit without a tree is well-formed: %q", raw)
		}
		if l, ok := parseLabel(raw); ok && !strings.HasPrefix(string(raw), "object "+l.object+"\n") {
			t.Errorf("a tag of %q: %q", l.object, raw)
		}
	})
}
