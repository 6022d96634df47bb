package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// targetForm is how a target begins.
var targetForm = regexp.MustCompile(`(?m)^func (Fuzz\w+)\(\w+ \*testing\.F\)`)

// TestEveryTargetHasACorpus that is committed, so that `go test` runs what fuzzing has found interesting.
func TestEveryTargetHasACorpus(t *testing.T) {
	found := 0
	err := filepath.WalkDir(filepath.Join("..", ".."), func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && strings.HasPrefix(entry.Name(), ".") && entry.Name() != "..":
			return fs.SkipDir
		case entry.IsDir() || !strings.HasSuffix(path, "_test.go"):
			return nil
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, match := range targetForm.FindAllStringSubmatch(string(content), -1) {
			found++
			corpus, err := filepath.Glob(filepath.Join(filepath.Dir(path), "testdata", "fuzz", match[1], "*"))
			if err != nil || len(corpus) == 0 {
				t.Errorf("%s: %s has no corpus: run `go run ./test/fuzz -only %s -keep 8`, and commit its testdata (%v)", path, match[1], match[1], err)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if found < 60 {
		t.Errorf("%d targets were found: are they all looked at?", found)
	}
}
