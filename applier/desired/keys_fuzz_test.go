package desired

import (
	"bytes"
	"crypto/ed25519"
	"encoding/pem"
	"fmt"
	"strings"
	"testing"

	"github.com/ProtonMail/go-crypto/openpgp"
	"golang.org/x/crypto/ssh"
)

// FuzzKeys: whatever a Secret with keys holds, there are keys in it, or it is refused in words of ours: nothing that is
// longer than a word of the file is in the error, and nothing at all in what prints the keyring.
func FuzzKeys(f *testing.F) {
	block, err := ssh.MarshalPrivateKey(ed25519.NewKeyFromSeed(bytes.Repeat([]byte{1}, ed25519.SeedSize)), "")
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte("AGE-SECRET-KEY-1QQQQQQQQQQQQQQQQQQQQQQQQQQQQ"))
	f.Add([]byte(" AGE-PLUGIN-YUBIKEY-1Q"))
	f.Add(pem.EncodeToMemory(block))
	f.Add([]byte("-----BEGIN AGE ENCRYPTED FILE-----\nx\n"))
	f.Add([]byte("-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n"))
	one := newPerson(f, "sops")
	f.Add(one.ageKeys().Age[0])
	f.Add(one.pgpKeys(f).PGP[0])
	f.Add(armored(f, openpgp.PublicKeyType, func(w *bytes.Buffer) error { return one.pgp.Serialize(w) }))
	f.Fuzz(func(t *testing.T, file []byte) {
		identities, err := ageIdentities(file)
		if (err == nil) != (len(identities) > 0) {
			t.Errorf("%d identities, and %v", len(identities), err)
		}
		tellsNothing(t, file, err)
		entities, err := pgpEntities(file)
		if err != nil && entities != nil {
			t.Errorf("%d entities, and %v", len(entities), err)
		}
		tellsNothing(t, file, err)
		for _, e := range entities {
			if e.PrivateKey != nil && e.PrivateKey.Encrypted {
				t.Error("one under a passphrase is taken")
			}
		}
		for _, keys := range []Keys{{Age: [][]byte{file}}, {PGP: [][]byte{file}}} {
			ring, err := newKeyring(keys)
			tellsNothing(t, file, err)
			if said := fmt.Sprintf("%v %+v %#v %s", ring, ring, ring, ring); err == nil && said != "keyring keyring keyring keyring" {
				t.Errorf("it prints as %q", said)
			}
		}
	})
}

// tellsNothing: no line of the file, nor most of one, is in the error.
func tellsNothing(t *testing.T, file []byte, err error) {
	t.Helper()
	if err == nil {
		return
	}
	for line := range strings.Lines(string(file)) {
		const most = 24
		if line = strings.TrimSpace(line); len(line) >= most && strings.Contains(err.Error(), line[:most]) {
			t.Errorf("the error quotes the file: %v", err)
		}
	}
}
