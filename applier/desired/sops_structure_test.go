package desired

import (
	"context"
	"encoding/base64"
	"errors"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestWithoutAKeyTheStructureStays(t *testing.T) {
	alice := newPerson(t, "alice")
	made, only := encrypting{to: []person{alice}}, encrypting{to: []person{alice}, meta: flux}
	cipherIn := regexp.MustCompile(`ENC\[[^\]]*type:str\]`)

	t.Run("text stays encrypted, the rest has a value of its type", func(t *testing.T) {
		content := made.file(t, sopsYAML, "a: hunter2\nb: 7\nc: 0.5\nd: false\ne: 2026-01-02T03:04:05Z\nf: \"\"\ng: null\n")
		got, err := readAs(t, "values.yaml", content, Options{Encrypted: true})
		if err != nil {
			t.Fatal(err)
		}
		want := "a: " + cipherIn.FindString(content) + "\nb: 1\nc: 1\nd: true\ne: 1970-01-01T00:00:00Z\nf: \"\"\ng: null\n"
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("read (-want +got):\n%s", diff)
		}
	})
	t.Run("dotenv, INI and binary files keep their names", func(t *testing.T) {
		for name, test := range map[string]struct {
			format      sopsFormat
			plain, want string
		}{
			"a.env": {sopsDotenv, "A=hunter2\n", "A=ENC\n"},
			"a.ini": {sopsINI, "[db]\na = hunter2\n", "[db]\na = ENC\n"},
			"a.key": {sopsBinary, "hunter2", "ENC"},
		} {
			got, err := readAs(t, name, made.file(t, test.format, test.plain), Options{Encrypted: true})
			if got = cipherIn.ReplaceAllString(got, "ENC"); err != nil || strings.ReplaceAll(got, "`", "") != test.want {
				t.Errorf("%s is read as %q, %v; not %q", name, got, err, test.want)
			}
		}
	})
	t.Run("a Secret renders", func(t *testing.T) {
		content := only.file(t, sopsYAML, strings.Replace(secretYAML, "stringData:\n", "data:\n    a: aHVudGVyMg==\nstringData:\n", 1))
		set, err := Render(context.Background(), treeOf(map[string]string{"db.yaml": content}), Options{Encrypted: true})
		if err != nil {
			t.Fatal(err)
		}
		data := set.Objects[0].Object["data"].(map[string]any)["a"].(string)
		if text, err := base64.StdEncoding.DecodeString(data); err != nil || !isCipherText(string(text)) {
			t.Errorf("data.a is %q, %v", text, err)
		}
		if text := set.Objects[0].Object["stringData"].(map[string]any)["user"]; !isCipherText(text) || !set.Objects[0].Decrypted {
			t.Errorf("stringData.user is %q, decrypted: %t", text, set.Objects[0].Decrypted)
		}
	})
	t.Run("a Secret that is encrypted whole can't be checked", func(t *testing.T) {
		_, err := readAs(t, "db.yaml", made.file(t, sopsYAML, secretYAML), Options{Encrypted: true})
		var typed *Error
		if !errors.As(err, &typed) || typed.Reason != ReasonDecryption {
			t.Fatalf("got %v", err)
		}
		want := "db.yaml: its apiVersion, kind or name is encrypted too, so that nothing can be checked without a key: " +
			"encrypt it with --encrypted-regex '^(data|stringData)$'"
		if diff := cmp.Diff(want, err.Error()); diff != "" {
			t.Errorf("error (-want +got):\n%s", diff)
		}
	})
	t.Run("plaintext is refused", func(t *testing.T) {
		content := replaceFirst(t, only.file(t, sopsYAML, secretYAML), `user: ENC\[.*\]`, "user: web")
		_, err := readAs(t, "db.yaml", content, Options{Encrypted: true})
		if diff := cmp.Diff("db.yaml (Secret prod/db) stringData.user"+readable, textOf(err)); diff != "" {
			t.Errorf("error (-want +got):\n%s", diff)
		}
	})
}
