package desired

import (
	"context"
	"errors"
	"io"
	"strings"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/armor"
	sopsage "github.com/getsops/sops/v3/age"
	"github.com/getsops/sops/v3/keyservice"
)

// maxDataKey bounds what is read as a data key. One is 32 bytes, a Shamir part 33.
const maxDataKey = 1 << 10

// keyService opens data keys with the keys given, and with nothing else: SOPS's own
// service would look into environment variables, the user's home and a GnuPG agent, and
// call clouds.
type keyService struct{ ring *keyring }

var (
	errNoSuchKey   = errors.New("no key given can open it")
	errOnlyDecrypt = errors.New("this key service only decrypts")
)

// Encrypt is never asked for: nothing is written here.
func (keyService) Encrypt(context.Context, *keyservice.EncryptRequest) (*keyservice.EncryptResponse, error) {
	return nil, errOnlyDecrypt
}

// Decrypt opens one data key, or the part of one.
func (s keyService) Decrypt(_ context.Context, r *keyservice.DecryptRequest) (*keyservice.DecryptResponse, error) {
	var plain []byte
	var err error
	switch r.GetKey().GetKeyType().(type) {
	case *keyservice.Key_AgeKey:
		plain, err = s.ring.openAge(r.GetCiphertext())
	case *keyservice.Key_PgpKey:
		plain, err = s.ring.openPGP(r.GetCiphertext())
	default:
		err = errNoSuchKey
	}
	if err != nil {
		return nil, err
	}
	return &keyservice.DecryptResponse{Plaintext: plain}, nil
}

// openAge asks SOPS's age key. It must not be asked without identities: it would look
// for some of its own.
func (k *keyring) openAge(ciphertext []byte) ([]byte, error) {
	if len(k.age) == 0 {
		return nil, errNoSuchKey
	}
	key := sopsage.MasterKey{EncryptedKey: string(ciphertext)}
	sopsage.ParsedIdentities(k.age).ApplyToMasterKey(&key)
	return key.Decrypt()
}

// openPGP does in memory what SOPS's PGP key does with the user's keyring: its type can
// be given a file at most, and falls back to the gpg program.
func (k *keyring) openPGP(ciphertext []byte) ([]byte, error) {
	if len(k.pgp) == 0 {
		return nil, errNoSuchKey
	}
	block, err := armor.Decode(strings.NewReader(string(ciphertext)))
	if err != nil {
		return nil, err
	}
	message, err := openpgp.ReadMessage(block.Body, k.pgp, nil, nil)
	if err != nil {
		return nil, err
	}
	if !message.IsEncrypted {
		return nil, errors.New("the data key is not encrypted")
	}
	// The end has to be reached: that is where the message's integrity shows.
	return io.ReadAll(io.LimitReader(message.UnverifiedBody, maxDataKey))
}
