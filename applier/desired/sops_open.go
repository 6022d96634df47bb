package desired

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/getsops/sops/v3"
	"github.com/getsops/sops/v3/aes"
	"github.com/getsops/sops/v3/age"
	"github.com/getsops/sops/v3/keyservice"
	"github.com/getsops/sops/v3/pgp"
)

const (
	// maxEncrypted bounds an encrypted file. No object may be half as large, and SOPS's
	// readers recurse as deep as a file asks for.
	maxEncrypted = 4 << 20
	// maxRecipients is how many an error names.
	maxRecipients = 8
)

// What is wrong with an encrypted file. SOPS's own errors quote values and lines: none
// of its words is passed on.
var (
	errEncryptedTooLarge = errors.New("it is encrypted and larger than 4 MiB: split it")
	errEncryptedAlias    = errors.New("it is encrypted and holds YAML aliases, which SOPS writes out")
	errMetadata          = errors.New("its content or its sops metadata can't be read as SOPS writes them")
	errMetadataFirst     = errors.New("its first document holds no sops metadata, a later one does: encrypt the file as a whole, or split it")
	errDecrypt           = errors.New("a value in it can't be decrypted: it was changed or moved without the key, or was never encrypted")
	errNoMAC             = errors.New("its MAC is missing: nobody can tell whether it was changed without the key")
	errMAC               = errors.New("its MAC does not match: it was changed without the key")
	errEmit              = errors.New("its decrypted values can't be written in the file's format")
)

// open decrypts a file: its content, and the same with a made-up value in place of each
// that is encrypted.
func (s *source) open(name string, raw []byte, format sopsFormat) (plain, marked []byte, failed *Error) {
	fail := func(err error) *Error { return &Error{Reason: ReasonDecryption, File: name, Err: err} }
	// SOPS's readers panic on some shapes. The text of a panic may hold a value.
	defer func() {
		if recover() != nil {
			plain, marked, failed = nil, nil, fail(errMetadata)
		}
	}()
	tree, err := load(raw, format)
	if err != nil {
		return nil, nil, fail(err)
	}
	secret := encryptedLeaves(tree.Branches)
	if s.structure {
		err = placehold(tree.Branches)
	} else {
		err = s.decrypt(&tree)
	}
	if err != nil {
		return nil, nil, fail(err)
	}
	store := format.store()
	if plain, err = store.EmitPlainFile(tree.Branches); err == nil {
		markLeaves(tree.Branches, secret, format)
		marked, err = store.EmitPlainFile(tree.Branches)
	}
	if err != nil {
		return nil, nil, fail(errEmit)
	}
	// Nil would say that the file could not be opened.
	return append([]byte{}, plain...), marked, nil
}

// load reads a file as SOPS wrote it.
func load(raw []byte, format sopsFormat) (sops.Tree, error) {
	if len(raw) > maxEncrypted {
		return sops.Tree{}, errEncryptedTooLarge
	}
	if format == sopsYAML {
		for _, node := range yamlNodes(raw) {
			if yamlHasAlias(node) {
				return sops.Tree{}, errEncryptedAlias
			}
		}
	}
	tree, err := format.store().LoadEncryptedFile(raw)
	switch {
	case errors.Is(err, sops.MetadataNotFound):
		return sops.Tree{}, errMetadataFirst
	case err != nil:
		return sops.Tree{}, errMetadata
	}
	return tree, nil
}

// decrypt opens the data key, decrypts the values in place and checks the MAC.
func (s *source) decrypt(tree *sops.Tree) error {
	services := []keyservice.KeyServiceClient{keyservice.NewCustomLocalClient(keyService{s.keys})}
	key, err := tree.Metadata.GetDataKeyWithKeyServices(services, []string{age.KeyTypeIdentifier, pgp.KeyTypeIdentifier})
	if err != nil {
		return s.noKeyFits(&tree.Metadata)
	}
	if tree.Metadata.MessageAuthenticationCode == "" {
		return errNoMAC
	}
	cipher := aes.NewCipher()
	found, err := tree.Decrypt(key, cipher)
	if err != nil {
		return errDecrypt
	}
	stated, err := cipher.Decrypt(tree.Metadata.MessageAuthenticationCode, key, tree.Metadata.LastModified.Format(time.RFC3339))
	if err != nil || stated != found {
		return errMAC
	}
	return nil
}

// noKeyFits says for whom the file is encrypted: names of public keys, which stand in
// the file for everybody to read.
func (s *source) noKeyFits(m *sops.Metadata) error {
	var names []string
	for _, group := range m.KeyGroups {
		for _, key := range group {
			names = append(names, key.TypeToIdentifier()+" "+printable(key.ToString()))
		}
	}
	if more := len(names) - maxRecipients; more > 0 {
		names = append(names[:maxRecipients], fmt.Sprintf("%d more", more))
	}
	whom := strings.Join(names, ", ")
	if len(m.KeyGroups) > 1 {
		whom += fmt.Sprintf(" (%d of %d key groups are needed)", m.ShamirThreshold, len(m.KeyGroups))
	}
	if len(s.keys.age)+len(s.keys.pgp) == 0 {
		return fmt.Errorf("it is encrypted for %s; no key is given", whom)
	}
	return fmt.Errorf("it is encrypted for %s; none of the keys given fits", whom)
}

// printable bounds a text out of git that an error shows.
func printable(text string) string {
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, text)
	if len(text) > 200 {
		return text[:200] + "..."
	}
	return text
}
