package desired

import (
	"errors"
	"fmt"
	"runtime"
	"testing"
	"time"

	"sigs.k8s.io/kustomize/api/konfig"
)

// FuzzDeclared: whatever a file holds, it is read or refused with its name, and what is read is an object.
func FuzzDeclared(f *testing.F) {
	for _, seed := range []string{webMap, webMap + "---\n" + webMap, "a: &a [*a]", laughs(), "{\"a\": 1}", "%YAML 1.1\n---\na: b\n...\n", "---\r\n\t- x", "a: !!binary x\n? [b]\n: c",
		"apiVersion: v1\nkind: List\nitems:\n- <<: {kind: A, apiVersion: b, metadata: {name: c}}\n", "\xff\xfe", "a: .nan\nb: 0x_1\n"} {
		f.Add([]byte(seed), true)
		f.Add([]byte(seed), false)
	}
	f.Fuzz(func(t *testing.T, content []byte, yaml bool) {
		name := "a.json"
		if yaml {
			name = "a.yaml"
		}
		src, err := decrypting(folder(nil), Options{})
		if err != nil {
			t.Fatal(err)
		}
		objects, err := declared(newReader(t.Context(), src), name, content, separator)
		for _, one := range leaves(err) {
			if typed := (*Error)(nil); !errors.As(one, &typed) || typed.File != name {
				t.Errorf("an error without its file: %v", one)
			}
		}
		for _, o := range objects {
			if o.GetName() == "" || o.GetKind() == "" || o.GetAPIVersion() == "" {
				t.Errorf("not an object: %v", o.Object)
			}
			if _, err := o.MarshalJSON(); err != nil {
				t.Errorf("an object that can't be sent: %v", err)
			}
		}
	})
}

// TestThousandsOfObjects are rendered in seconds, and what is kept is in proportion. Kustomize compares each
// resource with all before it, so there are fewer.
func TestThousandsOfObjects(t *testing.T) {
	for form, count := range map[Form]int{FormYAML: 5000, FormKustomize: 1000} {
		t.Run(string(form), func(t *testing.T) {
			files, list := map[string]string{}, "resources:\n"
			for i := range count {
				name := fmt.Sprintf("%02d/%04d.yaml", i%50, i)
				files[name] = fmt.Sprintf("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: map-%d\n  labels: {app: web, tier: front}\ndata:\n  key: \"%0500d\"\n", i, i)
				list += "- " + name + "\n"
			}
			if form == FormKustomize {
				files[konfig.DefaultKustomizationFileName()] = list
			}
			tree := folder(files)
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			start := time.Now()
			set, err := Render(t.Context(), tree, Options{})
			took := time.Since(start)
			if err != nil || len(set.Objects) != count {
				t.Fatalf("%v", err)
			}
			runtime.GC()
			runtime.ReadMemStats(&after)
			kept := (int64(after.HeapAlloc) - int64(before.HeapAlloc)) >> 20
			t.Logf("%d objects: %v, %d MiB kept", count, took, kept)
			if took > 30*time.Second || kept > 100 {
				t.Errorf("took %v and keeps %d MiB", took, kept)
			}
			runtime.KeepAlive(set)
		})
	}
}
