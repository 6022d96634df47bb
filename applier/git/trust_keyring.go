package git

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
)

// pgpKey is one OpenPGP public key with its subkeys and user ids.
type pgpKey struct {
	fingerprint string // of the primary key, as gpg prints it
	ids         []uint64
	emails      []string // of every user id: all of them are this person
	packets     []byte
}

const (
	beginArmor = "-----BEGIN PGP "
	publicKey  = "PGP PUBLIC KEY BLOCK"
)

// parseKeyring reads a binary keyring, or a file with any number of armored ones. A key
// that can't be read fails the whole.
func parseKeyring(content []byte) (keys []pgpKey, err error) {
	if !bytes.Contains(content, []byte(beginArmor)) {
		if keys, err = readKeys(bytes.NewReader(content)); err != nil {
			return nil, err
		}
		return someKeys(keys)
	}
	_, blocks, _ := strings.Cut(string(content), beginArmor)
	for i, block := range strings.Split(blocks, beginArmor) {
		decoded, err := armor.Decode(strings.NewReader(beginArmor + block))
		if err != nil {
			return nil, fmt.Errorf("block %d: %w", i+1, err)
		}
		if decoded.Type != publicKey {
			return nil, fmt.Errorf("block %d is a %s, not a %s", i+1, decoded.Type, publicKey)
		}
		some, err := readKeys(decoded.Body)
		if err != nil {
			return nil, fmt.Errorf("block %d: %w", i+1, err)
		}
		keys = append(keys, some...)
	}
	return someKeys(keys)
}

func someKeys(keys []pgpKey) ([]pgpKey, error) {
	if len(keys) == 0 {
		return nil, errors.New("no key")
	}
	return keys, nil
}

func readKeys(from io.Reader) (keys []pgpKey, err error) {
	packets := packet.NewReader(from)
	for {
		entity, err := openpgp.ReadEntity(packets)
		if errors.Is(err, io.EOF) {
			return keys, nil
		}
		if err != nil {
			return nil, fmt.Errorf("key %d: %w", len(keys)+1, err)
		}
		key, err := newKey(entity)
		if err != nil {
			return nil, fmt.Errorf("key %d: %w", len(keys)+1, err)
		}
		keys = append(keys, key)
	}
}

// newKey keeps the key's packets, not the entity: an entity remembers which of its own
// signatures held at the time that it was first asked about, and each signature asks
// about another time.
func newKey(entity *openpgp.Entity) (pgpKey, error) {
	if entity.PrivateKey != nil {
		return pgpKey{}, errors.New("a private key: what signs is no longer a secret, so what it signed proves nothing")
	}
	var packets bytes.Buffer
	if err := entity.Serialize(&packets); err != nil {
		return pgpKey{}, err
	}
	key := pgpKey{
		fingerprint: strings.ToUpper(hex.EncodeToString(entity.PrimaryKey.Fingerprint)),
		ids:         []uint64{entity.PrimaryKey.KeyId},
		packets:     packets.Bytes(),
	}
	for _, subkey := range entity.Subkeys {
		if id := subkey.PublicKey.KeyId; !slices.Contains(key.ids, id) {
			key.ids = append(key.ids, id)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(entity.Identities)) {
		key.emails = append(key.emails, address(entity.Identities[name]))
	}
	return key, nil
}

// address is the principal that a user id names: its e-mail address, or all of it where
// it has none.
func address(identity *openpgp.Identity) string {
	if identity.UserId.Email != "" {
		return identity.UserId.Email
	}
	return identity.Name
}
