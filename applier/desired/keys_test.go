package desired

import (
	"bytes"
	"crypto/ed25519"
	"encoding/pem"
	"errors"
	"fmt"
	"testing"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/google/go-cmp/cmp"
	"golang.org/x/crypto/ssh"
)

func TestKeysThatCannotBeUsed(t *testing.T) {
	alice := newPerson(t, "alice")
	private := alice.age.String()
	locked := newPerson(t, "bob")
	lockedKey := locked.pgpKeys(t).PGP[0]
	entities, err := openpgp.ReadArmoredKeyRing(bytes.NewReader(lockedKey))
	if err != nil {
		t.Fatal(err)
	}
	if err := entities[0].EncryptPrivateKeys([]byte("hunter2"), nil); err != nil {
		t.Fatal(err)
	}
	lockedKey = armored(t, openpgp.PrivateKeyType, func(w *bytes.Buffer) error { return entities[0].SerializePrivateWithoutSigning(w, nil) })
	public := armored(t, openpgp.PublicKeyType, func(w *bytes.Buffer) error { return alice.pgp.Serialize(w) })

	for name, test := range map[string]struct {
		keys Keys
		want string
	}{
		"an identity cut short": {Keys{Age: [][]byte{[]byte(private), []byte("# alice\n" + private[:40])}},
			"reading age key file 2 of 2: line 2 is no age identity (AGE-SECRET-KEY-...)"},
		"a recipient": {Keys{Age: [][]byte{[]byte(alice.recipient())}},
			"reading age key file 1 of 1: line 1 is no age identity (AGE-SECRET-KEY-...)"},
		"a plugin's": {Keys{Age: [][]byte{[]byte("AGE-PLUGIN-YUBIKEY-1ABC")}},
			"reading age key file 1 of 1: line 1 is no age identity (AGE-SECRET-KEY-...)"},
		"an empty file": {Keys{Age: [][]byte{[]byte("\n# nothing\n")}},
			"reading age key file 1 of 1: it holds no age identity (AGE-SECRET-KEY-...)"},
		"identities under a passphrase": {Keys{Age: [][]byte{[]byte("-----BEGIN AGE ENCRYPTED FILE-----\nhunter2")}},
			"reading age key file 1 of 1: it is protected by a passphrase"},
		"a broken SSH key": {Keys{Age: [][]byte{[]byte("-----BEGIN OPENSSH PRIVATE KEY-----\nhunter2")}},
			"reading age key file 1 of 1: it is neither an SSH private key without a passphrase nor a file of age identities"},
		"no PGP key": {Keys{PGP: [][]byte{[]byte("hunter2")}},
			"reading PGP key file 1 of 1: it holds no armored OpenPGP private key"},
		"a PGP public key": {Keys{PGP: [][]byte{public}},
			fmt.Sprintf("reading PGP key file 1 of 1: of %s it holds the public key only", alice.fingerprint())},
		"a PGP key under a passphrase": {Keys{PGP: [][]byte{lockedKey}},
			fmt.Sprintf("reading PGP key file 1 of 1: the private key of %s is protected by a passphrase", locked.fingerprint())},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := decrypting(treeOf(nil), Options{Keys: test.keys})
			var typed *Error
			if !errors.As(err, &typed) || typed.Reason != ReasonDecryption {
				t.Fatalf("got %v", err)
			}
			if diff := cmp.Diff(test.want, err.Error()); diff != "" {
				t.Errorf("error (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAnSSHKeyIsAnAgeKey(t *testing.T) {
	_, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(private, "alice")
	if err != nil {
		t.Fatal(err)
	}
	ring, err := newKeyring(Keys{Age: [][]byte{pem.EncodeToMemory(block)}})
	if err != nil || len(ring.age) != 1 {
		t.Errorf("got %v, %v", ring, err)
	}
}

func TestAKeyringPrintsNoKey(t *testing.T) {
	alice := newPerson(t, "alice")
	ring, err := newKeyring(alice.ageKeys())
	if err != nil {
		t.Fatal(err)
	}
	if got, want := fmt.Sprintf("%v %+v %#v %s", ring, ring, *ring, *ring), "keyring keyring keyring keyring"; got != want {
		t.Errorf("got %q, not %q", got, want)
	}
}
