package desired

import (
	"encoding/base64"
	"strings"
	"testing"

	"github.com/getsops/sops/v3"
	"github.com/google/go-cmp/cmp"
)

const secretYAML = `apiVersion: v1
kind: Secret
metadata:
    name: db
    namespace: prod
stringData:
    password: hunter2
    user: web
`

func TestDecryptsEachFormat(t *testing.T) {
	alice := newPerson(t, "alice")
	for name, test := range map[string]struct {
		file   string
		format sopsFormat
		plain  string
		meta   func(*sops.Metadata)
	}{
		"a Secret in YAML":                         {"db.yaml", sopsYAML, secretYAML, flux},
		"a Secret in YAML, its type encrypted too": {"db.yaml", sopsYAML, secretYAML, nil},
		"YAML with a MAC over encrypted values only": {"db.yaml", sopsYAML, secretYAML,
			func(m *sops.Metadata) { flux(m); m.MACOnlyEncrypted = true }},
		"YAML of several documents": {"db.yaml", sopsYAML, secretYAML + "---\n" + strings.ReplaceAll(secretYAML, "name: db", "name: cache"), flux},
		"YAML with comments":        {"values.yaml", sopsYAML, "# of the database\n# old\npassword: hunter2\nlist:\n    # first\n    - a\n    - b\n", nil},
		"YAML with values of each type": {"values.yaml", sopsYAML,
			"enabled: true\nport: 5432\nshare: 0.5\nsince: 2026-01-02T03:04:05Z\nnothing: null\nempty: \"\"\ntext: |\n    a\n    b\n", nil},
		"YAML, some of it encrypted by suffix":   {"values.yaml", sopsYAML, "host: db\npassword_secret: hunter2\n", func(m *sops.Metadata) { m.EncryptedSuffix = "_secret" }},
		"YAML, some of it left by regex":         {"values.yaml", sopsYAML, "host: db\npassword: hunter2\n", func(m *sops.Metadata) { m.UnencryptedRegex = "^host$" }},
		"YAML, some of it encrypted by comments": {"values.yaml", sopsYAML, "host: db\n# secret\npassword: hunter2\n", func(m *sops.Metadata) { m.EncryptedCommentRegex = "secret" }},
		"JSON":                                   {"db.json", sopsJSON, "{\n\t\"a\": \"hunter2\",\n\t\"b\": [\n\t\t1,\n\t\ttrue\n\t]\n}\n", nil},
		"JSON under another name":                {"db.conf", sopsJSON, "{\n\t\"a\": \"hunter2\"\n}\n", nil},
		"dotenv":                                 {"db.env", sopsDotenv, "# of the database\nPASSWORD=hunter2\nURL=postgres://web@db?a=b\n", nil},
		"dotenv under another name":              {"db.secrets", sopsDotenv, "PASSWORD=hunter2\n", nil},
		"INI":                                    {"db.ini", sopsINI, "[db]\npassword = hunter2\n", nil},
		"binary":                                 {"tls.key", sopsBinary, "-----BEGIN KEY-----\nhunter2\n-----END KEY-----\n", nil},
		"binary under a name of env":             {"db.env", sopsBinary, "PASSWORD=hunter2\n", nil},
	} {
		t.Run(name, func(t *testing.T) {
			content := encrypting{to: []person{alice}, meta: test.meta}.file(t, test.format, test.plain)
			if strings.Contains(content, "hunter2") {
				t.Fatalf("the file shows its value:\n%s", content)
			}
			if got := detect(test.file, []byte(content)); got != test.format {
				t.Errorf("detected %q, not %q", got, test.format)
			}
			got, err := readAs(t, test.file, content, Options{Keys: alice.ageKeys()})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.plain, got); diff != "" {
				t.Errorf("decrypted (-want +got):\n%s", diff)
			}
		})
	}
}

func TestDecryptsWithWhicheverKeyFits(t *testing.T) {
	alice, bob, carol := newPerson(t, "alice"), newPerson(t, "bob"), newPerson(t, "carol")
	both := alice.ageKeys()
	both.Age = append(both.Age, bob.ageKeys().Age...)
	for name, test := range map[string]struct {
		encrypting
		keys Keys
	}{
		"age":                                {encrypting{to: []person{alice}}, alice.ageKeys()},
		"PGP":                                {encrypting{pgp: []person{alice}}, alice.pgpKeys(t)},
		"PGP, of several recipients":         {encrypting{to: []person{alice}, pgp: []person{bob, carol}}, carol.pgpKeys(t)},
		"age, of several recipients":         {encrypting{to: []person{carol, bob}, pgp: []person{bob}}, both},
		"two of three groups":                {encrypting{to: []person{alice}, more: [][]person{{bob}, {carol}}, meta: func(m *sops.Metadata) { m.ShamirThreshold = 2 }}, both},
		"an age key and a PGP key, both fit": {encrypting{to: []person{alice}, pgp: []person{alice}}, Keys{Age: alice.ageKeys().Age, PGP: alice.pgpKeys(t).PGP}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := readAs(t, "a.yaml", test.file(t, sopsYAML, "a: hunter2\n"), Options{Keys: test.keys})
			if err != nil || got != "a: hunter2\n" {
				t.Errorf("got %q, %v", got, err)
			}
		})
	}
}

// TestLooksForNoKeyOfItsOwn plants the right key where SOPS's own command would find
// it. None of them is used.
func TestLooksForNoKeyOfItsOwn(t *testing.T) {
	alice, bob := newPerson(t, "alice"), newPerson(t, "bob")
	t.Setenv("SOPS_AGE_KEY", alice.age.String())
	t.Setenv("SOPS_AGE_KEY_CMD", "echo "+alice.age.String())
	t.Setenv("SOPS_GPG_EXEC", "true")
	t.Setenv("HOME", t.TempDir())
	want := "a.yaml: it is encrypted for age " + alice.recipient() + "; "
	content := encrypting{to: []person{alice}}.file(t, sopsYAML, "a: hunter2\n")
	_, err := readAs(t, "a.yaml", content, Options{})
	if diff := cmp.Diff(want+"no key is given", textOf(err)); diff != "" {
		t.Errorf("without a key (-want +got):\n%s", diff)
	}
	_, err = readAs(t, "a.yaml", content, Options{Keys: bob.pgpKeys(t)})
	if diff := cmp.Diff(want+"none of the keys given fits", textOf(err)); diff != "" {
		t.Errorf("with a PGP key alone (-want +got):\n%s", diff)
	}
}

func TestWhatIsNotEncryptedIsReadAsItIs(t *testing.T) {
	for name, content := range map[string]string{
		"a.yaml":      "a: ENC[AES256_GCM,data:YQ==,iv:YQ==,tag:YQ==,type:str]\n",
		"values.yaml": "sops:\n  enabled: true\n  version: 3\n",
		"values.json": `{"sops": "is a word", "data": "x"}`,
		"README.md":   "Run sops:\n\nsops_mac=abc\nsops_lastmodified=now\n",
		"list.json":   `["sops"]`,
		"broken.yaml": "sops: {mac: [\n",
		"empty":       "",
	} {
		t.Run(name, func(t *testing.T) {
			src, err := decrypting(treeOf(map[string]string{name: content}), Options{})
			if err != nil {
				t.Fatal(err)
			}
			got, err := src.ReadFile(name)
			if err != nil || string(got) != content || src.encrypted(name) || src.anyEncrypted() {
				t.Errorf("got %q, %v, encrypted: %t", got, err, src.encrypted(name))
			}
		})
	}
}

func TestSourceIsAFileSystem(t *testing.T) {
	alice := newPerson(t, "alice")
	tree := treeOf(map[string]string{
		"plain.txt":      "as it is",
		"a/secret.yaml":  encrypting{to: []person{alice}}.file(t, sopsYAML, "a: hunter2\n"),
		"a/b/secret.env": encrypting{to: []person{alice}}.file(t, sopsDotenv, "A=hunter2\n"),
	})
	src, err := decrypting(tree, Options{Keys: alice.ageKeys()})
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"plain.txt": "as it is", "a/secret.yaml": "a: hunter2\n", "a/b/secret.env": "A=hunter2\n"} {
		opened, err := src.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		info, err := opened.Stat()
		if err != nil || info.Size() != int64(len(want)) {
			t.Errorf("%s has %d bytes, %v; not %d", name, info.Size(), err, len(want))
		}
		if err := opened.Close(); err != nil {
			t.Error(err)
		}
		if encrypted := name != "plain.txt"; src.encrypted(name) != encrypted {
			t.Errorf("%s is encrypted: %t", name, src.encrypted(name))
		}
	}
	if _, err := src.Open("none"); err == nil {
		t.Error("a file that is not there was opened")
	}
	entries, err := src.ReadDir("a")
	if err != nil || len(entries) != 2 || entries[0].Name() != "b" || entries[1].Name() != "secret.yaml" {
		t.Errorf("a holds %v, %v", entries, err)
	}
	if info, err := src.Stat("a"); err != nil || !info.IsDir() {
		t.Errorf("a is %v, %v", info, err)
	}
	if err := src.problems(); err != nil {
		t.Error(err)
	}
}

func TestMarkedHasOtherValuesOfTheSameShape(t *testing.T) {
	alice := newPerson(t, "alice")
	for name, test := range map[string]struct {
		file   string
		format sopsFormat
		plain  string
		meta   func(*sops.Metadata)
		want   string
	}{
		"a Secret keeps its name and type": {"db.yaml", sopsYAML, secretYAML, nil,
			strings.NewReplacer("hunter2", "ivoufs3", "user: web", "user: xfc").Replace(secretYAML)},
		"what is not encrypted stays": {"db.yaml", sopsYAML, "host: db\npassword: hunter2\n",
			func(m *sops.Metadata) { m.EncryptedRegex = "^password$" }, "host: db\npassword: ivoufs3\n"},
		"numbers change, truth values and nothing stay": {"db.yaml", sopsYAML, "a: 1\nb: 0.5\nc: true\nd: null\ne: \"\"\nf: [z, Z, \"9\"]\n", nil,
			"a: 2\nb: 1.5\nc: true\nd: null\ne: \"\"\nf:\n    - a\n    - A\n    - \"0\"\n"},
		"without a letter or digit": {"db.yaml", sopsYAML, "a: \"!?\"\nb: пароль\n", nil, "a: xx\nb: xxxxxx\n"},
		"PEM keeps its rules":       {"db.env", sopsDotenv, "KEY=-----BEGIN-----\\nabc\\n-----END-----\n", nil, "KEY=-----BEGIN-----\\nbcd\\n-----END-----\n"},
		"a whole file keeps its names": {"db.enc", sopsBinary, "A=abc\nb: abc\n\"c\": \"abc\",\nd: true\n- e: {\n", nil,
			"A=bcd\nb: bcd\n\"c\": \"bcd\",\nd: true\n- e: {\n"},
	} {
		t.Run(name, func(t *testing.T) {
			content := encrypting{to: []person{alice}, meta: test.meta}.file(t, test.format, test.plain)
			src, err := decrypting(treeOf(map[string]string{test.file: content}), Options{Keys: alice.ageKeys()})
			if err != nil {
				t.Fatal(err)
			}
			got, err := src.marked().ReadFile(test.file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, string(got)); diff != "" {
				t.Errorf("marked (-want +got):\n%s", diff)
			}
		})
	}
}

func TestLineEndsFromElsewhere(t *testing.T) {
	alice := newPerson(t, "alice")
	content := strings.ReplaceAll(encrypting{to: []person{alice}}.file(t, sopsDotenv, "A=hunter2\n"), "str]\n", "str]\r\n")
	src, err := decrypting(treeOf(map[string]string{"a.env": content}), Options{Keys: alice.ageKeys()})
	if err != nil {
		t.Fatal(err)
	}
	plain, err := src.ReadFile("a.env")
	if err != nil || string(plain) != "A=hunter2\n" {
		t.Errorf("read %q, %v", plain, err)
	}
	if marked, err := src.marked().ReadFile("a.env"); err != nil || string(marked) != "A=ivoufs3\n" {
		t.Errorf("marked %q, %v", marked, err)
	}
}

func TestMarkedBase64IsBase64(t *testing.T) {
	for _, plain := range []string{"a", "ab", "hunter2", "\x00\xff\xfe", strings.Repeat("Zz9/+", 20)} {
		text := base64.StdEncoding.EncodeToString([]byte(plain))
		marked := markText(text, markLine)
		if _, err := base64.StdEncoding.DecodeString(marked); err != nil || marked == text {
			t.Errorf("%q became %q: %v", text, marked, err)
		}
	}
}
