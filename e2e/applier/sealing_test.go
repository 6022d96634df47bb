package applier

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path"
	"strings"
	"testing"
	"time"

	"filippo.io/age"
	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/getsops/sops/v3"
	"github.com/getsops/sops/v3/aes"
	sopsage "github.com/getsops/sops/v3/age"
	"github.com/getsops/sops/v3/config"
	"github.com/getsops/sops/v3/keys"
	"github.com/getsops/sops/v3/keyservice"
	sopspgp "github.com/getsops/sops/v3/pgp"
	sopsdotenv "github.com/getsops/sops/v3/stores/dotenv"
	sopsyaml "github.com/getsops/sops/v3/stores/yaml"
)

// sealer encrypts files by SOPS's own library, for the one who holds its key: an age
// identity, or an OpenPGP key where there is one.
type sealer struct {
	identity  *age.X25519Identity
	recipient string // "age1…", or the fingerprint
	pgp       *openpgp.Entity
}

func newAgeSealer(t *testing.T) *sealer {
	t.Helper()
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	plant(identity.String())
	return &sealer{identity: identity, recipient: identity.Recipient().String()}
}

func newPGPSealer(t *testing.T) *sealer {
	t.Helper()
	entity, err := openpgp.NewEntity("cluster", "", "cluster@example.com", nil)
	if err != nil {
		t.Fatal(err)
	}
	return &sealer{pgp: entity, recipient: fmt.Sprintf("%X", entity.PrimaryKey.Fingerprint)}
}

// file is the name and the content under which a decryption Secret holds the key.
func (s *sealer) file(t *testing.T) (name, content string) {
	t.Helper()
	if s.pgp == nil {
		return "cluster.agekey", s.identity.String() + "\n"
	}
	content = armored(t, openpgp.PrivateKeyType, func(to *bytes.Buffer) error { return s.pgp.SerializePrivate(to, nil) })
	for line := range strings.Lines(content) {
		if line = strings.TrimSpace(line); len(line) > 60 {
			plant(line)
		}
	}
	return "cluster.asc", content
}

func armored(t *testing.T, kind string, write func(*bytes.Buffer) error) string {
	t.Helper()
	var plain, text bytes.Buffer
	w, err := armor.Encode(&text, kind, nil)
	if err == nil {
		err = write(&plain)
	}
	if err == nil {
		_, err = w.Write(plain.Bytes())
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return text.String()
}

// seal encrypts the file's content. Of what has data or stringData only these are
// encrypted, as most do it.
func (s *sealer) seal(t *testing.T, file, plain string) string {
	t.Helper()
	stores := config.NewStoresConfig()
	var store sops.Store = sopsyaml.NewStore(&stores.YAML)
	if path.Ext(file) == ".env" {
		store = sopsdotenv.NewStore(&stores.Dotenv)
	}
	branches, err := store.LoadPlainFile([]byte(plain))
	if err != nil {
		t.Fatal(err)
	}
	tree := sops.Tree{Branches: branches, Metadata: sops.Metadata{KeyGroups: []sops.KeyGroup{{s.master(t)}}, LastModified: time.Now().UTC().Truncate(time.Second), Version: "3.13.3"}}
	if strings.Contains(plain, "\nstringData:") || strings.Contains(plain, "\ndata:") {
		tree.Metadata.EncryptedRegex = "^(data|stringData)$"
	} else {
		tree.Metadata.UnencryptedSuffix = sops.DefaultUnencryptedSuffix
	}
	key, errs := tree.GenerateDataKeyWithKeyServices([]keyservice.KeyServiceClient{keyservice.NewCustomLocalClient(s)})
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	cipher := aes.NewCipher()
	mac, err := tree.Encrypt(key, cipher)
	if err == nil {
		tree.Metadata.MessageAuthenticationCode, err = cipher.Encrypt(mac, key, tree.Metadata.LastModified.Format(time.RFC3339))
	}
	if err != nil {
		t.Fatal(err)
	}
	content, err := store.EmitEncryptedFile(tree)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

func (s *sealer) master(t *testing.T) keys.MasterKey {
	t.Helper()
	if s.pgp != nil {
		return &sopspgp.MasterKey{Fingerprint: s.recipient, CreationDate: time.Unix(0, 0)}
	}
	key, err := sopsage.MasterKeyFromRecipient(s.recipient)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// Encrypt encrypts a data key in memory; SOPS's own service would call gpg.
func (s *sealer) Encrypt(_ context.Context, r *keyservice.EncryptRequest) (*keyservice.EncryptResponse, error) {
	if s.pgp == nil {
		key := sopsage.MasterKey{Recipient: s.recipient}
		err := key.Encrypt(r.Plaintext)
		return &keyservice.EncryptResponse{Ciphertext: key.EncryptedDataKey()}, err
	}
	var text bytes.Buffer
	outer, err := armor.Encode(&text, "PGP MESSAGE", nil)
	if err != nil {
		return nil, err
	}
	inner, err := openpgp.Encrypt(outer, openpgp.EntityList{s.pgp}, nil, nil, nil)
	if err == nil {
		_, err = inner.Write(r.Plaintext)
	}
	if err == nil {
		err = errors.Join(inner.Close(), outer.Close())
	}
	return &keyservice.EncryptResponse{Ciphertext: text.Bytes()}, err
}

// Decrypt is never asked of who encrypts.
func (*sealer) Decrypt(context.Context, *keyservice.DecryptRequest) (*keyservice.DecryptResponse, error) {
	return nil, errors.New("a sealer opens nothing")
}

// secret is a Secret with one value in stringData.
func secret(name, value string) string {
	return "apiVersion: v1\nkind: Secret\nmetadata:\n  name: " + name + "\n  namespace: NS\n  labels: {app: web}\nstringData:\n  password: " + value + "\n"
}

// sealed writes a file of which the values are encrypted.
func (w *project) sealed(s *sealer, file, plain string) {
	w.t.Helper()
	w.put(file, s.seal(w.t, file, w.fill(plain)))
}

// put writes a file as it is: cipher text may well hold an "NS".
func (w *project) put(file, content string) {
	w.t.Helper()
	if err := w.repo.Write(file, content); err != nil {
		w.t.Fatal(err)
	}
}

func (w *project) fill(text string) string { return strings.ReplaceAll(text, "NS", w.namespace) }

// decrypting gives a sealer's key to the cluster, and returns the spec's line that
// names it.
func (w *project) decrypting(s *sealer) string {
	w.t.Helper()
	name, content := s.file(w.t)
	declare(w.t, "apiVersion: v1\nkind: Secret\nmetadata: {name: "+w.sync+"-keys, namespace: "+w.home+"}\nstringData:\n  "+name+": |\n    "+
		strings.ReplaceAll(strings.TrimSpace(content), "\n", "\n    ")+"\n")
	return "decryption: {secretRef: {name: " + w.sync + "-keys}}"
}
