package desired

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"filippo.io/age"
	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/getsops/sops/v3"
	"github.com/getsops/sops/v3/aes"
	sopsage "github.com/getsops/sops/v3/age"
	"github.com/getsops/sops/v3/keys"
	"github.com/getsops/sops/v3/keyservice"
	sopspgp "github.com/getsops/sops/v3/pgp"
)

// person is somebody for whom files are encrypted, with a key of each kind.
type person struct {
	age *age.X25519Identity
	pgp *openpgp.Entity
}

func newPerson(t testing.TB, name string) person {
	t.Helper()
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	entity, err := openpgp.NewEntity(name, "", name+"@example.com", nil)
	if err != nil {
		t.Fatal(err)
	}
	return person{age: identity, pgp: entity}
}

func (p person) recipient() string   { return p.age.Recipient().String() }
func (p person) fingerprint() string { return fmt.Sprintf("%X", p.pgp.PrimaryKey.Fingerprint) }

func (p person) ageKeys() Keys {
	return Keys{Age: [][]byte{[]byte("# a comment\n" + p.age.String() + "\n")}}
}

func (p person) pgpKeys(t testing.TB) Keys {
	t.Helper()
	return Keys{PGP: [][]byte{armored(t, openpgp.PrivateKeyType, func(w *bytes.Buffer) error { return p.pgp.SerializePrivate(w, nil) })}}
}

func armored(t testing.TB, kind string, write func(*bytes.Buffer) error) []byte {
	t.Helper()
	var plain, text bytes.Buffer
	if err := write(&plain); err != nil {
		t.Fatal(err)
	}
	w, err := armor.Encode(&text, kind, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(plain.Bytes()); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return text.Bytes()
}

// encrypting is how a file is encrypted, by SOPS's own library.
type encrypting struct {
	to   []person   // their age keys, one group
	pgp  []person   // their PGP keys, in the same group
	more [][]person // further groups of age keys, one of Shamir's each
	meta func(*sops.Metadata)
}

func (e encrypting) file(t testing.TB, format sopsFormat, plain string) string {
	t.Helper()
	branches, err := format.store().LoadPlainFile([]byte(plain))
	if err != nil {
		t.Fatal(err)
	}
	tree := sops.Tree{Branches: branches, Metadata: sops.Metadata{
		KeyGroups:         []sops.KeyGroup{e.group(t)},
		UnencryptedSuffix: sops.DefaultUnencryptedSuffix,
		LastModified:      time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
		Version:           "3.13.3",
	}}
	for _, people := range e.more {
		tree.Metadata.KeyGroups = append(tree.Metadata.KeyGroups, encrypting{to: people}.group(t))
	}
	if e.meta != nil {
		tree.Metadata.UnencryptedSuffix = ""
		e.meta(&tree.Metadata)
	}
	key, errs := tree.GenerateDataKeyWithKeyServices([]keyservice.KeyServiceClient{keyservice.NewCustomLocalClient(sealing{e.pgp})})
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	cipher := aes.NewCipher()
	mac, err := tree.Encrypt(key, cipher)
	if err != nil {
		t.Fatal(err)
	}
	if tree.Metadata.MessageAuthenticationCode, err = cipher.Encrypt(mac, key, tree.Metadata.LastModified.Format(time.RFC3339)); err != nil {
		t.Fatal(err)
	}
	content, err := format.store().EmitEncryptedFile(tree)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

func (e encrypting) group(t testing.TB) (group sops.KeyGroup) {
	t.Helper()
	for _, person := range e.pgp {
		group = append(group, &sopspgp.MasterKey{Fingerprint: person.fingerprint(), CreationDate: time.Unix(0, 0)})
	}
	for _, person := range e.to {
		key, err := sopsage.MasterKeyFromRecipient(person.recipient())
		if err != nil {
			t.Fatal(err)
		}
		group = append(group, keys.MasterKey(key))
	}
	return group
}

// sealing encrypts data keys in memory; SOPS's own service would call gpg.
type sealing struct{ pgp []person }

func (s sealing) Encrypt(_ context.Context, r *keyservice.EncryptRequest) (*keyservice.EncryptResponse, error) {
	if to := r.GetKey().GetAgeKey(); to != nil {
		key := sopsage.MasterKey{Recipient: to.Recipient}
		err := key.Encrypt(r.Plaintext)
		return &keyservice.EncryptResponse{Ciphertext: key.EncryptedDataKey()}, err
	}
	for _, person := range s.pgp {
		if person.fingerprint() != r.GetKey().GetPgpKey().GetFingerprint() {
			continue
		}
		var text bytes.Buffer
		w, err := armor.Encode(&text, "PGP MESSAGE", nil)
		if err != nil {
			return nil, err
		}
		plain, err := openpgp.Encrypt(w, openpgp.EntityList{person.pgp}, nil, nil, nil)
		if err != nil {
			return nil, err
		}
		if _, err := plain.Write(r.Plaintext); err != nil {
			return nil, err
		}
		if err := plain.Close(); err != nil {
			return nil, err
		}
		if err := w.Close(); err != nil {
			return nil, err
		}
		return &keyservice.EncryptResponse{Ciphertext: text.Bytes()}, nil
	}
	return nil, errNoSuchKey
}

func (sealing) Decrypt(context.Context, *keyservice.DecryptRequest) (*keyservice.DecryptResponse, error) {
	return nil, errNoSuchKey
}

// flux is how a Secret is encrypted by most: its type and name stay readable.
func flux(m *sops.Metadata) { m.EncryptedRegex = "^(data|stringData)$" }

func treeOf(files map[string]string) fs.FS {
	tree := fstest.MapFS{}
	for name, content := range files {
		tree[name] = &fstest.MapFile{Data: []byte(content)}
	}
	return tree
}

// readAs reads one file and says what is wrong with it.
func readAs(t testing.TB, name, content string, o Options) (string, error) {
	t.Helper()
	src, err := decrypting(treeOf(map[string]string{name: content}), o)
	if err != nil {
		t.Fatal(err)
	}
	read, err := src.ReadFile(name)
	if wrong := src.problems(); wrong != nil {
		err = wrong
	}
	return string(read), err
}

// textOf is an error's text, "" for none.
func textOf(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func unindent(text string) string {
	lines := strings.Split(strings.Trim(text, "\n"), "\n")
	for i := range lines {
		lines[i] = strings.TrimPrefix(lines[i], "\t\t")
	}
	return strings.Join(lines, "\n") + "\n"
}
