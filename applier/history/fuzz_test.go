package history

import (
	"encoding/json"
	"testing"
)

// FuzzRoles: whatever a kustomization holds, its files are told, or it may spread.
func FuzzRoles(f *testing.F) {
	for _, text := range []string{"resources: [web.yaml, ../base]\nnamespace: prod\n", "configMapGenerator: [{name: a, files: [b=c.txt]}]\n", "a: &a [*a]\n", "{", "bases: {x: [1, true, null]}\n", "\x00"} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		resources, others := map[string]bool{}, map[string]bool{}
		roles("clusters/prod/kustomization.yaml", content, resources, others)
	})
}

// FuzzFindings: an index that was damaged on the disk hangs together, or is not taken.
func FuzzFindings(f *testing.F) {
	kept, err := json.Marshal(newFindings("x"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(kept)
	f.Add([]byte(`{"version":1,"leads":{"a":{"change":"b"}},"changes":{"b":{}}}`))
	f.Add([]byte(`null`))
	f.Fuzz(func(t *testing.T, content []byte) {
		found := newFindings("x")
		if json.Unmarshal(content, found) != nil || !found.sound() {
			return
		}
		for commit, l := range found.Leads {
			if _, ok := found.Changes[l.Change]; l.Change != "" && !ok {
				t.Errorf("%s leads nowhere", commit)
			}
		}
	})
}
