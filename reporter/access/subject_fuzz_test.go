package access

import "testing"

// FuzzParseSubject: a subject is refused, or named so that it is read as the same one.
func FuzzParseSubject(f *testing.F) {
	for _, text := range []string{"", "alice", "user:alice", "group:devs", "sa:gitops/sync", "system:serviceaccount:gitops:sync", "user:system:serviceaccount:a:b", "sa:a/b/c", "user:"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		subject, err := ParseSubject(text)
		if err != nil {
			return
		}
		if subject.Name == "" || subject.Kind == "" {
			t.Fatalf("%q is nobody: %+v", text, subject)
		}
		if again, err := ParseSubject(subject.String()); err != nil || again != subject {
			t.Errorf("%q is %+v, and by its name %s %+v: %v", text, subject, subject, again, err)
		}
	})
}
