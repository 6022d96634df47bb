package git

import (
	"bytes"
	"crypto/rand"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/hiddeco/sshsig"
	"golang.org/x/crypto/ssh"
)

// TestRSAWithSHA1IsRefused: with the key itself, and behind a certificate, whose type hides that it is RSA.
func TestRSAWithSHA1IsRefused(t *testing.T) {
	l := newLab(t)
	alice := signatory{email: "alice@example.com", key: filepath.Join(l.keys, "alice")}
	l.run(nil, "ssh-keygen", "-q", "-t", "rsa", "-b", "2048", "-N", "", "-f", alice.key)
	payload := l.raw("commit", l.commit(alice.unsigned(), "web.yaml", "replicas: 3"))
	private, err := os.ReadFile(alice.key)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := ssh.ParsePrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	key := parsed.(ssh.AlgorithmSigner)
	certificate := &ssh.Certificate{Key: key.PublicKey(), CertType: ssh.UserCert, ValidPrincipals: []string{alice.email}, ValidBefore: ssh.CertTimeInfinity}
	if err := certificate.SignCert(rand.Reader, key); err != nil {
		t.Fatal(err)
	}
	good, err := sshsig.Sign(bytes.NewReader(payload), key, sshsig.HashSHA512, "git")
	if err != nil {
		t.Fatal(err)
	}
	if hash := l.write("commit", withSignature(payload, sshsig.Armor(good))); l.verified(Demand{Trust: l.trust(alice), Commit: hash}).Signer != alice.email {
		t.Error("the same key with SHA-512 is somebody else's")
	}
	for reason, holder := range map[string]ssh.PublicKey{
		"commit $1 carries an SSH signature that can't be read":                     key.PublicKey(),
		"commit $1 carries an SSH signature of the form ssh-rsa, which is not safe": certificate,
	} {
		weak := *good
		weak.PublicKey = holder
		weak.Signature = &ssh.Signature{Format: ssh.KeyAlgoRSA, Blob: good.Signature.Blob}
		hash := l.write("commit", withSignature(payload, sshsig.Armor(&weak)))
		l.refused(Demand{Trust: l.trust(alice), Commit: hash}, reason, hash)
	}
}

func FuzzSignature(f *testing.F) {
	const key = "* ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINNwMHM8lLcve+HMdKmjaanRnkdOE0Sm3ZUxkjv5LTgg"
	trust, err := readTrust(Trust{AllowedSigners: map[string][]byte{"signers": []byte(key)}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte("-----BEGIN SSH SIGNATURE-----\nU1NIU0lHAAAAAQAAADMAAAALc3NoLWVkMjU1MTkAAAAg\n-----END SSH SIGNATURE-----\n"))
	f.Add([]byte("-----BEGIN PGP SIGNATURE-----\n\niHUEABYKAB0WIQ\n=twTO\n-----END PGP SIGNATURE-----\n"))
	f.Fuzz(func(t *testing.T, armored []byte) {
		who, reason := trust.judge(signed{payload: []byte("x"), signature: armored, email: "a@example.com", when: time.Unix(1, 0)})
		if reason == "" || who != (signer{}) {
			t.Errorf("signed by %+v, %q", who, reason)
		}
	})
}
