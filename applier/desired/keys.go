package desired

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"filippo.io/age"
	"filippo.io/age/agessh"
	"github.com/ProtonMail/go-crypto/openpgp"
)

// keyring is the private keys in the form that decryption uses. It prints as nothing.
type keyring struct {
	age []age.Identity
	pgp openpgp.EntityList
}

// Format keeps the keys out of whatever prints the keyring.
func (keyring) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte("keyring")) }

// newKeyring reads the keys. The libraries' own errors quote what they can't read, which
// is a private key here: none of their words is passed on.
func newKeyring(k Keys) (*keyring, error) {
	ring := &keyring{}
	for i, file := range k.Age {
		identities, err := ageIdentities(file)
		if err != nil {
			return nil, &Error{Reason: ReasonDecryption, Err: fmt.Errorf("reading age key file %d of %d: %w", i+1, len(k.Age), err)}
		}
		ring.age = append(ring.age, identities...)
	}
	for i, file := range k.PGP {
		entities, err := pgpEntities(file)
		if err != nil {
			return nil, &Error{Reason: ReasonDecryption, Err: fmt.Errorf("reading PGP key file %d of %d: %w", i+1, len(k.PGP), err)}
		}
		ring.pgp = append(ring.pgp, entities...)
	}
	return ring, nil
}

// ageIdentities reads a file of age identities, or one SSH private key. Plugins are not
// known: they are other programs.
func ageIdentities(file []byte) ([]age.Identity, error) {
	if begin := bytes.TrimSpace(file); bytes.HasPrefix(begin, []byte("-----BEGIN ")) {
		if bytes.HasPrefix(begin, []byte("-----BEGIN AGE ENCRYPTED FILE-----")) {
			return nil, errors.New("it is protected by a passphrase")
		}
		identity, err := agessh.ParseIdentity(file)
		if err != nil {
			return nil, errors.New("it is neither an SSH private key without a passphrase nor a file of age identities")
		}
		return []age.Identity{identity}, nil
	}
	var identities []age.Identity
	for i, line := range strings.Split(string(file), "\n") {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		parsed, err := age.ParseIdentities(strings.NewReader(line))
		if err != nil {
			return nil, fmt.Errorf("line %d is no age identity (AGE-SECRET-KEY-...)", i+1)
		}
		identities = append(identities, parsed...)
	}
	if len(identities) == 0 {
		return nil, errors.New("it holds no age identity (AGE-SECRET-KEY-...)")
	}
	return identities, nil
}

// pgpEntities reads armored private keys. One under a passphrase is refused: there is
// nobody to ask for it.
func pgpEntities(file []byte) (openpgp.EntityList, error) {
	entities, err := openpgp.ReadArmoredKeyRing(bytes.NewReader(file))
	if err != nil {
		return nil, errors.New("it holds no armored OpenPGP private key")
	}
	for _, entity := range entities {
		name := fmt.Sprintf("%X", entity.PrimaryKey.Fingerprint)
		usable := false
		for _, key := range append(openpgp.EntityList{entity}.DecryptionKeys(), openpgp.Key{PrivateKey: entity.PrivateKey}) {
			if key.PrivateKey == nil || key.PrivateKey.Dummy() {
				continue // the key's owner left the primary key at home
			}
			if key.PrivateKey.Encrypted {
				return nil, fmt.Errorf("the private key of %s is protected by a passphrase", name)
			}
			usable = true
		}
		if !usable {
			return nil, fmt.Errorf("of %s it holds the public key only", name)
		}
	}
	return entities, nil
}
