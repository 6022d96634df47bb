package git

import (
	"bytes"
	"encoding/hex"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
	"github.com/google/go-cmp/cmp"
)

// TestWhatGnuPGSignedIsVerified: the same keys, commits and tags as people make them.
func TestWhatGnuPGSignedIsVerified(t *testing.T) {
	home, err := os.MkdirTemp("", "gnupg") // short: the agent's socket is in it
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = exec.Command("gpgconf", "--homedir", home, "--kill", "all").Run()
		_ = os.RemoveAll(home)
	})
	l := newLab(t)
	alice, bob := l.person("alice"), l.person("bob")
	l.keys = home
	gpg := func(args ...string) string {
		return l.run(nil, "gpg", append([]string{"--homedir", home, "--batch", "--quiet", "--pinentry-mode", "loopback", "--passphrase", ""}, args...)...)
	}
	gpg("--quick-generate-key", "Alice <alice@example.com>", "ed25519", "sign", "never")
	gpg("--quick-generate-key", "Bob (rsa) <bob@example.com>", "rsa2048", "sign", "1y")
	l.git("config", "gpg.program", "gpg")
	l.clock = time.Now().UTC().Truncate(time.Second)
	signing := func(p signatory) []string {
		return append(l.as(p.unsigned()), "-c", "user.signingkey="+p.email)
	}
	l.git(append(signing(alice), "commit", "-q", "--allow-empty", "-S", "-m", "a change\n\nwith a body")...)
	head := l.head()
	l.git(append(signing(bob), "tag", "-s", "-m", "approved", "ok", head)...)

	fingerprint := strings.Split(gpg("--with-colons", "--list-keys", alice.email), "fpr:::::::::")[1][:40]
	want := Verified{Commit: head, Signer: alice.email, Key: fingerprint, Reviewers: []string{bob.email}}
	exported := gpg("--armor", "--export", alice.email) + "\n" + gpg("--armor", "--export", bob.email) + "\n"
	binary, err := l.command(nil, "gpg", "--homedir", home, "--export")
	if err != nil {
		t.Fatal(err)
	}
	for name, keyring := range map[string][]byte{"armored": []byte("Our people\n" + exported), "binary": binary} {
		t.Run(name, func(t *testing.T) {
			d := Demand{Trust: Trust{Keyrings: map[string][]byte{"people": keyring}}, Commit: head, MinReviewers: 1}
			if diff := cmp.Diff(want, l.verified(d)); diff != "" {
				t.Errorf("verified (-want +got):\n%s", diff)
			}
		})
	}
	// The same person's SSH key is no second person.
	l.tag(alice, "ssh", head)
	d := Demand{Trust: l.trust(alice), Commit: head, MinReviewers: 2}
	d.Trust.Keyrings = map[string][]byte{"people": binary}
	l.refused(d, "commit $1 needs 2 reviewers besides alice@example.com, found bob@example.com; "+wouldDo, head)
}

// pgp is somebody's OpenPGP key at a moment.
type pgp struct {
	t      *testing.T
	entity *openpgp.Entity
}

var born = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func at(when time.Time) *packet.Config {
	return &packet.Config{Algorithm: packet.PubKeyAlgoEdDSA, Time: func() time.Time { return when }}
}

func newPGP(t *testing.T, name, email string, lifetime time.Duration) pgp {
	t.Helper()
	config := at(born)
	config.KeyLifetimeSecs = uint32(lifetime.Seconds())
	entity, err := openpgp.NewEntity(name, "", email, config)
	if err != nil {
		t.Fatal(err)
	}
	return pgp{t: t, entity: entity}
}

func (p pgp) keyring() Trust {
	p.t.Helper()
	var binary bytes.Buffer
	if err := p.entity.Serialize(&binary); err != nil {
		p.t.Fatal(err)
	}
	return Trust{Keyrings: map[string][]byte{"people": binary.Bytes()}}
}

func (p pgp) fingerprint() string {
	return strings.ToUpper(hex.EncodeToString(p.entity.PrimaryKey.Fingerprint))
}

// sign makes a commit that is signed at a moment. The key may be one that go-crypto
// would no longer sign with, so that it signs by the packet.
func (p pgp) sign(l *lab, when time.Time, kind packet.SignatureType) string {
	p.t.Helper()
	payload := l.raw("commit", l.commit(signatory{email: "alice@example.com"}, "web.yaml", when.String()))
	lifetime := uint32(0)
	signature := &packet.Signature{
		Version: p.entity.PrimaryKey.Version, SigType: kind, PubKeyAlgo: p.entity.PrimaryKey.PubKeyAlgo, Hash: at(when).Hash(),
		CreationTime: when, IssuerKeyId: &p.entity.PrimaryKey.KeyId, IssuerFingerprint: p.entity.PrimaryKey.Fingerprint,
		SigLifetimeSecs: &lifetime,
	}
	hash := signature.Hash.New()
	hash.Write(payload)
	if err := signature.Sign(hash, p.entity.PrivateKey, at(when)); err != nil {
		p.t.Fatal(err)
	}
	var armored bytes.Buffer
	w, err := armor.Encode(&armored, "PGP SIGNATURE", nil)
	if err != nil {
		p.t.Fatal(err)
	}
	if err := signature.Serialize(w); err != nil {
		p.t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		p.t.Fatal(err)
	}
	return l.write("commit", withSignature(payload, armored.Bytes()))
}

func TestAnOpenPGPKeyIsJudgedAtTheTimeOfItsSignature(t *testing.T) {
	const day = 24 * time.Hour
	l := newLab(t)
	lasting, short := newPGP(t, "Alice", "alice@example.com", 0), newPGP(t, "Bob", "bob@example.com", 30*day)
	invalid := func(p pgp) string {
		return "commit $1 is signed by the OpenPGP key " + p.fingerprint() + ", which was not valid when it signed"
	}
	early, late := short.sign(l, born.Add(10*day), packet.SigTypeBinary), short.sign(l, born.Add(40*day), packet.SigTypeBinary)
	if got := l.verified(Demand{Trust: short.keyring(), Commit: early}); got.Signer != "bob@example.com" || got.Key != short.fingerprint() {
		t.Errorf("verified %+v", got)
	}
	l.refused(Demand{Trust: short.keyring(), Commit: late}, invalid(short), late)
	before := lasting.sign(l, born.Add(-day), packet.SigTypeBinary)
	if v, err := l.verify(Demand{Trust: lasting.keyring(), Commit: before}); err == nil {
		t.Errorf("a signature from before the key was made: %+v", v)
	}

	signed := []string{lasting.sign(l, born.Add(10*day), packet.SigTypeBinary), lasting.sign(l, born.Add(40*day), packet.SigTypeBinary)}
	old := lasting.keyring()
	revoked := "commit $1 is signed by the OpenPGP key " + lasting.fingerprint() + ", which is revoked"
	if err := lasting.entity.Revoke(packet.KeySuperseded, "a new one", at(born.Add(20*day))); err != nil {
		t.Fatal(err)
	}
	l.verified(Demand{Trust: lasting.keyring(), Commit: signed[0]})
	l.refused(Demand{Trust: lasting.keyring(), Commit: signed[1]}, revoked, signed[1])
	if err := lasting.entity.Revoke(packet.KeyCompromised, "stolen", at(born.Add(50*day))); err != nil {
		t.Fatal(err)
	}
	l.refused(Demand{Trust: lasting.keyring(), Commit: signed[0]}, revoked, signed[0])
	both := lasting.keyring()
	both.Keyrings["an older file"] = old.Keyrings["people"]
	l.refused(Demand{Trust: both, Commit: signed[0]}, revoked, signed[0])
}

func TestOpenPGPSignaturesThatDoNotHold(t *testing.T) {
	l := newLab(t)
	alice, mallory := newPGP(t, "Alice", "alice@example.com", 0), newPGP(t, "Mallory", "alice@example.com", 0)
	when := born.Add(time.Hour)
	good := alice.sign(l, when, packet.SigTypeBinary)
	d := func(hash string) Demand { return Demand{Trust: alice.keyring(), Commit: hash} }
	l.verified(d(good))

	tampered := l.write("commit", bytes.Replace(l.raw("commit", good), []byte("set web"), []byte("put web"), 1))
	if _, err := l.verify(d(tampered)); err == nil || !strings.Contains(err.Error(), "carries an OpenPGP signature by the key "+alice.fingerprint()+" that does not hold: ") {
		t.Errorf("a tampered commit: %v", err)
	}
	stranger := mallory.sign(l, when, packet.SigTypeBinary)
	l.refused(d(stranger), "commit $1 is signed by the OpenPGP key "+mallory.fingerprint()[24:]+", which no trust root names", stranger)
	text := alice.sign(l, when, packet.SigTypeText)
	l.refused(d(text), "commit $1 carries an OpenPGP signature that can't be read: it is not over binary content", text)
	payload := l.raw("commit", l.commit(signatory{email: "alice@example.com"}, "web.yaml", "0"))
	empty := l.write("commit", withSignature(payload, []byte("-----BEGIN PGP SIGNATURE-----\n\n=twTO\n-----END PGP SIGNATURE-----\n")))
	l.refused(d(empty), "commit $1 carries an OpenPGP signature that can't be read: it is empty", empty)
}

func TestAUserIDWithoutAnAddressIsAPrincipalAsItIs(t *testing.T) {
	l := newLab(t)
	release := newPGP(t, "Release team", "", 0)
	head := release.sign(l, born.Add(time.Hour), packet.SigTypeBinary)
	if got := l.verified(Demand{Trust: release.keyring(), Commit: head}).Signer; got != "Release team" {
		t.Errorf("the signer is %q", got)
	}
}

func TestAKeyringThatCannotBeReadWholeIsNotTrusted(t *testing.T) {
	alice := newPGP(t, "Alice", "alice@example.com", 0)
	public := alice.keyring().Keyrings["people"]
	var private bytes.Buffer
	if err := alice.entity.SerializePrivate(&private, at(born)); err != nil {
		t.Fatal(err)
	}
	const nothing = `nothing is trusted: reading the keyring "people": `
	l := newLab(t)
	for name, c := range map[string]struct {
		keyring []byte
		want    string
	}{
		"empty":         {nil, "no key"},
		"no keyring":    {[]byte("alice@example.com"), ""},
		"cut off":       {public[:len(public)-10], ""},
		"a private key": {private.Bytes(), "key 1: a private key: what signs is no longer a secret, so what it signed proves nothing"},
		"a signature":   {[]byte("-----BEGIN PGP SIGNATURE-----\n\n=twTO\n-----END PGP SIGNATURE-----\n"), "block 1 is a PGP SIGNATURE, not a PGP PUBLIC KEY BLOCK"},
		"half a block":  {[]byte("-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nmDMEaVW5gBYJKwYBBAHaRw8BAQdA\n"), ""},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := l.verify(Demand{Trust: Trust{Keyrings: map[string][]byte{"people": c.keyring}}, Commit: strings.Repeat("ab", 20)})
			if err == nil || !strings.HasPrefix(err.Error(), nothing+c.want) {
				t.Errorf("the error is %v", err)
			}
		})
	}
}

func FuzzKeyring(f *testing.F) {
	f.Add([]byte("-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nmDMEaVW5gBYJKwYBBAHaRw8BAQdA\n-----END PGP PUBLIC KEY BLOCK-----"))
	f.Add([]byte{0x99, 0x01, 0x0d})
	f.Fuzz(func(t *testing.T, content []byte) {
		if keys, err := parseKeyring(content); err == nil && len(keys) == 0 {
			t.Error("neither a key nor an error")
		}
	})
}

func TestThePrincipalOfAKeyIsItsPrimaryUserID(t *testing.T) {
	l := newLab(t)
	alice := newPGP(t, "Alice", "alice@example.com", 0)
	later := at(born.Add(48 * time.Hour))
	if err := alice.entity.AddUserId("Alice", "", "alice@example.org", later); err != nil {
		t.Fatal(err)
	}
	head := alice.sign(l, born.Add(time.Hour), packet.SigTypeBinary)
	if got := l.verified(Demand{Trust: alice.keyring(), Commit: head}).Signer; got != "alice@example.com" {
		t.Errorf("before she had a second address, the signer is %s", got)
	}
	// Each of her addresses is her: she reviews nothing that names one as its author.
	for _, email := range []string{"alice@example.com", "alice@example.org"} {
		p, err := readTrust(alice.keyring())
		if err != nil {
			t.Fatal(err)
		}
		if others := p.people.others([]signer{{name: "alice@example.com", key: alice.fingerprint()}}, []signer{{name: email}}); len(others) != 0 {
			t.Errorf("besides %s there is %v", email, others)
		}
	}
}
