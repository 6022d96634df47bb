package v1alpha1

import "testing"

func TestASourceIsReadAsItWasWritten(t *testing.T) {
	for _, test := range []struct{ repository, file, ref, want string }{
		{"https://git.example/ops.git", "clusters/prod/web.yaml", "main", "https://git.example/ops.git//clusters/prod/web.yaml?ref=main"},
		{"ssh://git@git.example/ops.git", "web.yaml", "", "ssh://git@git.example/ops.git//web.yaml"},
		{"file:///srv/ops.git", "a folder/web.yaml", "v1.2.0", "file:///srv/ops.git//a folder/web.yaml?ref=v1.2.0"},
	} {
		got := Source(test.repository, test.file, test.ref)
		if got != test.want {
			t.Errorf("Source is %q, not %q", got, test.want)
		}
		repository, file, ref, ok := ParseSource(got)
		if !ok || repository != test.repository || file != test.file || ref != test.ref {
			t.Errorf("%q is read as %q, %q, %q, %t", got, repository, file, ref, ok)
		}
	}
	for _, none := range []string{"", "web.yaml", "https://git.example/ops.git", "https://git.example//"} {
		if _, _, _, ok := ParseSource(none); ok {
			t.Errorf("%q is read as a source", none)
		}
	}
}
