package git

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// FuzzIndexPack: what is no pack is an error, and never more memory than its size explains.
func FuzzIndexPack(f *testing.F) {
	for _, name := range seedPacks(f) {
		content, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(content)
	}
	f.Add([]byte("PACK\x00\x00\x00\x02\xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, content []byte) {
		path := filepath.Join(t.TempDir(), "x.pack")
		if err := os.WriteFile(path, signPack(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := indexPack(path); err == nil {
			if _, err := os.Stat(filepath.Join(filepath.Dir(path), "x.idx")); err != nil {
				t.Errorf("a pack without an index: %v", err)
			}
		}
	})
}

func FuzzParseCommit(f *testing.F) {
	hash := strings.Repeat("0", 40)
	for _, seed := range []string{
		"tree " + hash + "\nauthor alice <alice@example.com> 1 +0000\ncommitter bob <bob@example.com> 2 +0100\n\nsubject\n\nbody\n",
		"tree " + hash + "\nparent " + hash + "\ngpgsig -----BEGIN SSH SIGNATURE-----\n x\n -----END SSH SIGNATURE-----\n\nsubject",
		"tree x\n\n\n", "", "\xff\n\n\xff",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		commit, err := parseCommit(hash, content)
		if err == nil && (len(commit.Tree) != 40 || strings.Contains(commit.Subject, "\n")) {
			t.Errorf("%q gives %+v", content, commit)
		}
	})
}

// FuzzRedact: whatever stands before an @ of a URL's authority is not shown.
func FuzzRedact(f *testing.F) {
	for _, seed := range []string{"hunter2", "a:b", "%zz", "a@b", "?", "#x", "\\"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, password string) {
		if strings.Contains(password, "/") || len(password) < 4 || strings.Contains("https://***@git.example/ops ssh://", password) {
			return // a slash ends the authority
		}
		for _, url := range []string{"https://alice:" + password + "@git.example/ops", "ssh://git:" + password + "@git.example/ops"} {
			if _, err := parseURL(url); err == nil || strings.Contains(err.Error(), password) {
				t.Errorf("%q gives %v", url, err)
			}
		}
		c := Credentials{Username: "alice", Password: password, BearerToken: password + "x"}
		if got := c.scrub("the server says: " + password + " and " + password + "x"); strings.Contains(got, password) &&
			!strings.Contains("the server says: *** and", password) {
			t.Errorf("%q is shown in %q", password, got)
		}
	})
}
