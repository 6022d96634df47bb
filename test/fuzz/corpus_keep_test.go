package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestACorpusIsFilledUpWithWhatIsSmall(t *testing.T) {
	write := func(name, content string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	dir := t.TempDir()
	one := target{name: "FuzzOne", dir: filepath.Join(dir, "one"), corpus: filepath.Join(dir, "cache")}
	for name, content := range map[string]string{"a": "large" + strings.Repeat(".", maxKept), "b": "small", "c": "small", "d": "small"} {
		write(filepath.Join(one.corpus, "FuzzOne", name), content)
	}
	write(filepath.Join(one.dir, "testdata", "fuzz", "FuzzOne", "theirs"), "found")
	for _, most := range []int{0, 3, 3} {
		if err := one.keep(most); err != nil {
			t.Fatal(err)
		}
	}
	kept, err := os.ReadDir(filepath.Join(one.dir, "testdata", "fuzz", "FuzzOne"))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, entry := range kept {
		got = append(got, entry.Name())
	}
	if diff := cmp.Diff([]string{"b", "c", "theirs"}, got); diff != "" {
		t.Errorf("kept (-want +got):\n%s", diff)
	}
}
