package desired

import (
	"testing"
)

// FuzzReading feeds whole files to detection, decryption and the plaintext gate. They
// must come back, and what is no encrypted file must be read as it is.
func FuzzReading(f *testing.F) {
	alice := newPerson(f, "alice")
	made := encrypting{to: []person{alice}}
	for name, content := range map[string]string{
		"a.yaml":             made.file(f, sopsYAML, "a: hunter2\nb: [1, {c: true}]\n---\nd: e\n"),
		"b.yaml":             encrypting{to: []person{alice}, meta: flux}.file(f, sopsYAML, secretYAML),
		"a.json":             made.file(f, sopsJSON, `{"a": "hunter2", "b": [1, {"c": true}]}`),
		"a.env":              made.file(f, sopsDotenv, "A=hunter2\n"),
		"a.ini":              made.file(f, sopsINI, "[a]\nb = hunter2\n"),
		"a.key":              made.file(f, sopsBinary, "hunter2"),
		"kustomization.yaml": "secretGenerator: [{name: db, literals: [a=b]}]\npatches: [{patch: '[{path: /data}]', target: {kind: Secret}}]\n",
		"c.yaml":             "a: &a [*a]\n---\nsops: {mac: a}\n? {a: b}\n: c\n",
	} {
		f.Add(name, []byte(content))
	}
	f.Fuzz(func(t *testing.T, name string, content []byte) {
		format := detect(name, content)
		for _, wrong := range Plaintext(name, content) {
			if wrong.File != name || wrong.Err == nil {
				t.Errorf("got %#v", wrong)
			}
		}
		for _, structure := range []bool{false, true} {
			src, err := decrypting(treeOf(nil), Options{Keys: alice.ageKeys(), Encrypted: structure})
			if err != nil {
				t.Fatal(err)
			}
			read := src.examine(name, content)
			if read.encrypted != (format != sopsNone) {
				t.Errorf("encrypted: %t, in format %q", read.encrypted, format)
			}
			if read.encrypted && (read.plain == nil) == (len(read.problems) == 0) {
				t.Errorf("%d problems, %d bytes", len(read.problems), len(read.plain))
			}
		}
	})
}

// FuzzMarks: what is made up differs from what was there, unless that is empty.
func FuzzMarks(f *testing.F) {
	for _, text := range []string{"", "hunter2", "aHVudGVyMg==", "\n", "-----", "a: true", "ключ", "\xff"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, line := range []func(string) string{markLine, markAssigned} {
			if marked := markText(text, line); (marked == text) != (text == "") {
				t.Errorf("%q became %q", text, marked)
			}
		}
	})
}
