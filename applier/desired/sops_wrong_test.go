package desired

import (
	"regexp"
	"strings"
	"testing"

	"github.com/getsops/sops/v3"
	sopskms "github.com/getsops/sops/v3/kms"
	"github.com/google/go-cmp/cmp"
)

// replaceFirst changes the first match of a pattern, which has to be there.
func replaceFirst(t testing.TB, text, pattern, with string) string {
	t.Helper()
	at := regexp.MustCompile(pattern).FindStringIndex(text)
	if at == nil {
		t.Fatalf("no %s in\n%s", pattern, text)
	}
	return text[:at[0]] + with + text[at[1]:]
}

func TestWhatCannotBeDecrypted(t *testing.T) {
	alice, bob := newPerson(t, "alice"), newPerson(t, "bob")
	made := encrypting{to: []person{alice}}
	values := made.file(t, sopsYAML, "user: web\npassword: hunter2\n")
	other := made.file(t, sopsYAML, "user: web\npassword: swordfish\n")
	secret := encrypting{to: []person{alice}, meta: flux}.file(t, sopsYAML, secretYAML)
	onlyEncrypted := encrypting{to: []person{alice}, meta: func(m *sops.Metadata) { flux(m); m.MACOnlyEncrypted = true }}.file(t, sopsYAML, secretYAML)
	cipherOf := func(content, key string) string {
		return regexp.MustCompile(key + `: (ENC\[.*\])`).FindStringSubmatch(content)[1]
	}
	groups := encrypting{to: []person{alice}, more: [][]person{{bob}}, meta: func(m *sops.Metadata) { m.ShamirThreshold = 2 }}
	none := "it is encrypted for age " + alice.recipient() + "; none of the keys given fits"

	for name, test := range map[string]struct {
		content string
		keys    Keys
		want    string
	}{
		"no key":    {values, Keys{}, "it is encrypted for age " + alice.recipient() + "; no key is given"},
		"wrong key": {values, bob.ageKeys(), none},
		"wrong PGP key": {encrypting{to: []person{alice}, pgp: []person{alice}}.file(t, sopsYAML, "a: hunter2\n"), bob.pgpKeys(t),
			"it is encrypted for pgp " + alice.fingerprint() + ", age " + alice.recipient() + "; none of the keys given fits"},
		"one key of two groups": {groups.file(t, sopsYAML, "a: hunter2\n"), alice.ageKeys(),
			"it is encrypted for age " + alice.recipient() + ", age " + bob.recipient() + " (2 of 2 key groups are needed); none of the keys given fits"},
		"data key damaged": {replaceFirst(t, values, `-----BEGIN AGE ENCRYPTED FILE-----\n\s+....`, "-----BEGIN AGE ENCRYPTED FILE-----\n            AAAA"),
			alice.ageKeys(), none},
		"value damaged": {replaceFirst(t, values, `password: ENC\[AES256_GCM,data:..`, "password: ENC[AES256_GCM,data:AA"), alice.ageKeys(), errDecrypt.Error()},
		"value moved": {strings.NewReplacer(cipherOf(values, "password"), cipherOf(values, "user"), cipherOf(values, "user"), cipherOf(values, "password")).Replace(values),
			alice.ageKeys(), errDecrypt.Error()},
		"value of another file":            {replaceFirst(t, values, `password: ENC\[.*\]`, "password: "+cipherOf(other, "password")), alice.ageKeys(), errDecrypt.Error()},
		"value in plain":                   {replaceFirst(t, values, `password: ENC\[.*\]`, "password: hunter2"), alice.ageKeys(), errDecrypt.Error()},
		"value in plain that is no text":   {replaceFirst(t, values, `password: ENC\[.*\]`, "password: 12345678"), alice.ageKeys(), errDecrypt.Error()},
		"value removed":                    {replaceFirst(t, values, `password: ENC\[.*\]\n`, ""), alice.ageKeys(), errMAC.Error()},
		"value emptied":                    {replaceFirst(t, values, `password: ENC\[.*\]`, `password: ""`), alice.ageKeys(), errMAC.Error()},
		"field not encrypted changed":      {replaceFirst(t, secret, "namespace: prod", "namespace: test"), alice.ageKeys(), errMAC.Error()},
		"value removed, MAC over the rest": {replaceFirst(t, onlyEncrypted, `    password: ENC\[.*\]\n`, ""), alice.ageKeys(), errMAC.Error()},
		"MAC made to cover less":           {strings.Replace(values, "    version:", "    mac_only_encrypted: true\n    version:", 1), alice.ageKeys(), errMAC.Error()},
		"MAC damaged":                      {replaceFirst(t, values, `mac: ENC\[AES256_GCM,data:..`, "mac: ENC[AES256_GCM,data:AA"), alice.ageKeys(), errMAC.Error()},
		"MAC of another file":              {replaceFirst(t, values, `mac: ENC\[.*\]`, "mac: "+cipherOf(other, "mac")), alice.ageKeys(), errMAC.Error()},
		"MAC that is no cipher text":       {replaceFirst(t, values, `mac: ENC\[.*\]`, "mac: hunter2"), alice.ageKeys(), errMAC.Error()},
		"MAC of another time":              {replaceFirst(t, values, `lastmodified: "2026`, `lastmodified: "2025`), alice.ageKeys(), errMAC.Error()},
		"MAC removed":                      {replaceFirst(t, values, `    mac: ENC\[.*\]\n`, ""), alice.ageKeys(), errNoMAC.Error()},
		"MAC emptied":                      {replaceFirst(t, values, `mac: ENC\[.*\]`, `mac: ""`), alice.ageKeys(), errNoMAC.Error()},
		"recipients removed":               {replaceFirst(t, values, `(?s)    age:\n.*    lastmodified`, "    lastmodified"), alice.ageKeys(), errMetadata.Error()},
		"time removed":                     {replaceFirst(t, values, `    lastmodified: .*\n`, ""), alice.ageKeys(), errMetadata.Error()},
		"document appended":                {values + "---\npassword: hunter2\n", alice.ageKeys(), errDecrypt.Error()},
		"document put before":              {"a: hunter2\n---\n" + values, alice.ageKeys(), errMetadataFirst.Error()},
		"an alias":                         {"a: &a\n    b: *a\n" + values, alice.ageKeys(), errEncryptedAlias.Error()},
		"an alias in a later document":     {values + "---\na: &a\n    b: *a\n", alice.ageKeys(), errEncryptedAlias.Error()},
		"a key that is no text":            {replaceFirst(t, values, "user:", "? [a, b]\n:"), alice.ageKeys(), errMetadata.Error()},
		"too large":                        {values + "# " + strings.Repeat("x", maxEncrypted) + "\n", alice.ageKeys(), errEncryptedTooLarge.Error()},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := readAs(t, "apps/values.yaml", test.content, Options{Keys: test.keys})
			if diff := cmp.Diff("apps/values.yaml: "+test.want, textOf(err)); diff != "" {
				t.Errorf("error (-want +got):\n%s", diff)
			}
			if got != "" {
				t.Errorf("read %q", got)
			}
		})
	}
}

// TestNamesRecipientsOfOtherKinds: what only a cloud can open is named, and not tried.
func TestNamesRecipientsOfOtherKinds(t *testing.T) {
	alice := newPerson(t, "alice")
	tree, err := load([]byte(encrypting{to: []person{alice}}.file(t, sopsYAML, "a: hunter2\n")), sopsYAML)
	if err != nil {
		t.Fatal(err)
	}
	group := sops.KeyGroup{&sopskms.MasterKey{Arn: "arn:aws:kms:eu:1:key/a\nb"}}
	for range maxRecipients + 1 {
		group = append(group, tree.Metadata.KeyGroups[0][0])
	}
	tree.Metadata.KeyGroups[0] = group
	src, err := decrypting(treeOf(nil), Options{Keys: newPerson(t, "bob").ageKeys()})
	if err != nil {
		t.Fatal(err)
	}
	want := "it is encrypted for kms arn:aws:kms:eu:1:key/a?b, " + strings.Repeat("age "+alice.recipient()+", ", maxRecipients-1) +
		"2 more; none of the keys given fits"
	if diff := cmp.Diff(want, textOf(src.decrypt(&tree))); diff != "" {
		t.Errorf("error (-want +got):\n%s", diff)
	}
}

func TestTamperedInEachFormat(t *testing.T) {
	alice := newPerson(t, "alice")
	made := encrypting{to: []person{alice}}
	for name, test := range map[string]struct {
		content string
		want    error
	}{
		"a.json":  {replaceFirst(t, made.file(t, sopsJSON, `{"a": "hunter2", "b": "c"}`), `"b": "[^"]*"`, `"b": ""`), errMAC},
		"a.env":   {replaceFirst(t, made.file(t, sopsDotenv, "A=hunter2\nB=c\n"), `B=.*\n`, ""), errMAC},
		"b.env":   {"B=hunter2\n" + made.file(t, sopsDotenv, "A=hunter2\n"), errDecrypt},
		"c.env":   {replaceFirst(t, made.file(t, sopsDotenv, "A=hunter2\n"), `sops_mac=.*\n`, ""), errNoMAC},
		"a.ini":   {replaceFirst(t, made.file(t, sopsINI, "[db]\na = hunter2\nb = c\n"), `(?m)^b .*\n`, ""), errMAC},
		"tls.key": {replaceFirst(t, made.file(t, sopsBinary, "hunter2"), `"data": "[^"]*"`, `"data": ""`), errMAC},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := readAs(t, name, test.content, Options{Keys: alice.ageKeys()})
			if diff := cmp.Diff(name+": "+test.want.Error(), textOf(err)); diff != "" {
				t.Errorf("error (-want +got):\n%s", diff)
			}
		})
	}
}

func TestEveryProblemOfEveryFileIsKept(t *testing.T) {
	alice := newPerson(t, "alice")
	src, err := decrypting(treeOf(map[string]string{
		"b.yaml": encrypting{to: []person{alice}}.file(t, sopsYAML, "a: hunter2\n"),
		"a.yaml": secretYAML,
		"c.yaml": "a: b\n",
	}), Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"c.yaml", "b.yaml", "a.yaml", "b.yaml"} {
		_, err := src.ReadFile(name)
		if failed := err != nil; failed != (name == "b.yaml") {
			t.Errorf("reading %s: %v", name, err)
		}
	}
	want := strings.Join([]string{
		"a.yaml (Secret prod/db) stringData.password: " + errPlaintext.Error(),
		"a.yaml (Secret prod/db) stringData.user: " + errPlaintext.Error(),
		"b.yaml: it is encrypted for age " + alice.recipient() + "; no key is given",
	}, "\n")
	if diff := cmp.Diff(want, textOf(src.problems())); diff != "" {
		t.Errorf("problems (-want +got):\n%s", diff)
	}
}
