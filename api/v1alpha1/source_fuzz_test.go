package v1alpha1

import "testing"

// FuzzParseSource: what is read from an annotation, which anybody may have written, can be written again as it was.
func FuzzParseSource(f *testing.F) {
	for _, text := range []string{"https://git.example/ops.git//clusters/prod/web.yaml?ref=main", "file:///srv/ops//a.yaml", "a.yaml", "x:////", "x://a//b?ref=?ref="} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		repository, file, ref, ok := ParseSource(text)
		if !ok {
			if SourceFile(text) != text {
				t.Errorf("the file of what is no source is %q", SourceFile(text))
			}
			return
		}
		if repository == "" || file == "" || SourceFile(text) != file {
			t.Fatalf("repository %q, file %q, of it %q", repository, file, SourceFile(text))
		}
		if again := Source(repository, file, ref); again != text && again+"?ref=" != text {
			t.Errorf("%q was written again as %q", text, again)
		}
	})
}
