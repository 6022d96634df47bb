package desired

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"testing"

	"helm.sh/helm/v4/pkg/chart/loader/archive"
)

// packed is an archive of one chart.
func packed(f *testing.F, metadata string) []byte {
	f.Helper()
	var out bytes.Buffer
	compressed := gzip.NewWriter(&out)
	w := tar.NewWriter(compressed)
	if err := w.WriteHeader(&tar.Header{Name: "web/Chart.yaml", Mode: 0o600, Size: int64(len(metadata))}); err != nil {
		f.Fatal(err)
	}
	if _, err := w.Write([]byte(metadata)); err != nil {
		f.Fatal(err)
	}
	if err := errors.Join(w.Close(), compressed.Close()); err != nil {
		f.Fatal(err)
	}
	return out.Bytes()
}

// FuzzCharts: a chart's metadata and the archives in it, whatever they are, are read or refused with their file.
func FuzzCharts(f *testing.F) {
	const metadata = "apiVersion: v2\nname: web\nversion: 1.0.0\n"
	f.Add([]byte(metadata+"dependencies: [{name: db, alias: store}]\n"), packed(f, metadata))
	f.Add([]byte("dependencies: [null]\n"), []byte("no archive"))
	f.Add([]byte("name: &a [*a]\n"), packed(f, "name: [\n"))
	f.Fuzz(func(t *testing.T, metadata, inner []byte) {
		src, err := decrypting(folder(nil), Options{})
		if err != nil {
			t.Fatal(err)
		}
		place, err := placesOf(newReader(t.Context(), src), "chart", []*archive.BufferedFile{
			{Name: chartFile, Data: metadata}, {Name: "charts/db.tgz", Data: inner},
		})
		for _, one := range leaves(err) {
			if typed := (*Error)(nil); !errors.As(one, &typed) || typed.File == "" {
				t.Errorf("an error without its file: %v", one)
			}
		}
		if err == nil && place.file("web/templates/web.yaml") == "" {
			t.Error("a template is nowhere")
		}
	})
}

// FuzzKustomization: what a kustomization names as configuration is judged, and refused with its file.
func FuzzKustomization(f *testing.F) {
	for _, text := range []string{"fieldSpecs: [{path: a, group: '.*'}]\n", "images: [{name: a, newName: b}]\n---\n- a\n", "a: &a [*a]\n", "{", laughs()} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		err := judgeConfig("a.yaml", content)
		if typed := (*Error)(nil); err != nil && (!errors.As(err, &typed) || typed.File != "a.yaml") {
			t.Errorf("an error without its file: %v", err)
		}
	})
}
