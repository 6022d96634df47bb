package git

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestACommitSignedByAnAllowedSignerIsVerified(t *testing.T) {
	l := newLab(t)
	alice := l.person("alice")
	head := l.commit(alice, "web.yaml", "replicas: 3")
	want := Verified{Commit: head, Signer: "alice@example.com", Key: alice.fingerprint(t), Reviewers: []string{}}
	if diff := cmp.Diff(want, l.verified(Demand{Trust: l.trust(alice), Commit: head})); diff != "" {
		t.Errorf("verified (-want +got):\n%s", diff)
	}
}

func TestEveryKindOfKeyThatSSHKeygenMakesIsJudged(t *testing.T) {
	for _, kind := range [][]string{{"-t", "rsa", "-b", "2048"}, {"-t", "ecdsa", "-b", "256"}, {"-t", "ecdsa", "-b", "521"}} {
		t.Run(strings.Join(kind, " "), func(t *testing.T) {
			l := newLab(t)
			alice := signatory{email: "alice@example.com", key: filepath.Join(l.keys, "alice")}
			l.run(nil, "ssh-keygen", append(kind, "-q", "-N", "", "-f", alice.key)...)
			head := l.commit(alice, "web.yaml", "replicas: 3")
			if got := l.verified(Demand{Trust: l.trust(alice), Commit: head}); got.Signer != alice.email {
				t.Errorf("the signer is %q", got.Signer)
			}
		})
	}
}

func TestWhatIsNotSignedByATrustedKeyIsRefused(t *testing.T) {
	l := newLab(t)
	alice, bob := l.person("alice"), l.person("bob")
	unsigned := l.commit(alice.unsigned(), "web.yaml", "replicas: 3")
	l.refused(Demand{Trust: l.trust(alice), Commit: unsigned}, "commit $1 is not signed", unsigned)

	byBob := l.commit(bob, "web.yaml", "replicas: 4")
	l.refused(Demand{Trust: l.trust(alice), Commit: byBob},
		"commit $1 is signed by the key "+bob.fingerprint(t)+", which no trust root names", byBob)
	l.refused(Demand{Commit: byBob}, "nothing is trusted: the trust roots hold no key")
}

func TestACommitThatWasTamperedWithIsRefused(t *testing.T) {
	l := newLab(t)
	alice := l.person("alice")
	raw := l.raw("commit", l.commit(alice, "web.yaml", "replicas: 3"))
	const over = "commit $1 carries an SSH signature over other content"
	for name, tampered := range map[string][]byte{
		"another message":     bytes.Replace(raw, []byte("set web.yaml"), []byte("set web.yamL"), 1),
		"another author":      bytes.Replace(raw, []byte("author alice <alice@"), []byte("author alice <carol@"), 1),
		"one more header":     bytes.Replace(raw, []byte("\n\n"), []byte("\nencoding latin1\n\n"), 1),
		"one more empty line": append(bytes.Clone(raw), '\n'),
	} {
		t.Run(name, func(t *testing.T) {
			hash := l.write("commit", tampered)
			l.refused(Demand{Trust: l.trust(alice), Commit: hash}, over, hash)
		})
	}
}

// A commit that two readers might read in two ways is trusted by none.
func TestACommitWithHeadersOutOfOrderIsRefused(t *testing.T) {
	l := newLab(t)
	alice := l.person("alice")
	raw := l.raw("commit", l.commit(alice, "web.yaml", "replicas: 3"))
	tree := string(raw[:46])
	for name, tampered := range map[string][]byte{
		"two trees":        append([]byte(tree), raw...),
		"a tree at last":   bytes.Replace(raw, []byte("\n\n"), []byte("\n"+tree+"\n"), 1),
		"no tree":          raw[46:],
		"a late parent":    bytes.Replace(raw, []byte("\ngpgsig"), []byte("\nparent "+tree[5:45]+"\ngpgsig"), 1),
		"two committers":   bytes.Replace(raw, []byte("\ncommitter"), []byte("\ncommitter x <x@example.com> 1 +0000\ncommitter"), 1),
		"nothing at all":   nil,
		"only a signature": []byte("gpgsig x\n"),
	} {
		t.Run(name, func(t *testing.T) {
			hash := l.write("commit", tampered)
			l.refused(Demand{Trust: l.trust(alice), Commit: hash}, "commit $1 is malformed: its headers are not in git's order", hash)
		})
	}
}

func TestTwoSignaturesOnOneCommitAreRefused(t *testing.T) {
	l := newLab(t)
	alice := l.person("alice")
	raw := l.raw("commit", l.commit(alice, "web.yaml", "replicas: 3"))
	_, armor, _ := splitCommit(raw, "gpgsig")
	second := "\ngpgsig " + strings.ReplaceAll(strings.TrimSpace(string(armor)), "\n", "\n ") + "\n\n"
	hash := l.write("commit", bytes.Replace(raw, []byte("\n\n"), []byte(second), 1))
	l.refused(Demand{Trust: l.trust(alice), Commit: hash}, "commit $1 carries more than one signature", hash)
}

func TestASignatureForAnotherNamespaceIsRefused(t *testing.T) {
	l := newLab(t)
	alice := l.person("alice")
	payload := l.raw("commit", l.commit(alice.unsigned(), "web.yaml", "replicas: 3"))
	hash := l.write("commit", signedBySSH(l, alice, payload, "file"))
	l.refused(Demand{Trust: l.trust(alice), Commit: hash},
		`commit $1 carries an SSH signature for the namespace "file", not for "git"`, hash)
	hash = l.write("commit", signedBySSH(l, alice, payload, "git"))
	l.verified(Demand{Trust: l.trust(alice), Commit: hash})
}

// signedBySSH puts an SSH signature into a raw commit.
func signedBySSH(l *lab, p signatory, payload []byte, namespace string) []byte {
	l.t.Helper()
	file := filepath.Join(l.keys, "payload")
	if err := os.WriteFile(file, payload, 0o600); err != nil {
		l.t.Fatal(err)
	}
	if err := os.RemoveAll(file + ".sig"); err != nil {
		l.t.Fatal(err)
	}
	l.run(nil, "ssh-keygen", "-q", "-Y", "sign", "-n", namespace, "-f", p.key, file)
	armor, err := os.ReadFile(file + ".sig")
	if err != nil {
		l.t.Fatal(err)
	}
	return withSignature(payload, armor)
}

// withSignature puts a signature into a raw commit, as git would.
func withSignature(payload, armor []byte) []byte {
	header := "\ngpgsig " + strings.ReplaceAll(strings.TrimSpace(string(armor)), "\n", "\n ") + "\n\n"
	return bytes.Replace(payload, []byte("\n\n"), []byte(header), 1)
}

func TestASignatureOfAnUnknownFormIsRefused(t *testing.T) {
	l := newLab(t)
	alice := l.person("alice")
	payload := l.raw("commit", l.commit(alice.unsigned(), "web.yaml", "replicas: 3"))
	for armor, reason := range map[string]string{
		"-----BEGIN SIGNED MESSAGE-----\nMII\n-----END SIGNED MESSAGE-----": "commit $1 carries an X.509 signature; SSH and OpenPGP are judged",
		"-----BEGIN SSH SIGNATURE-----\nU1NI\n-----END SSH SIGNATURE-----":  "commit $1 carries an SSH signature that can't be read",
		"signed, alice": "commit $1 carries a signature of an unknown form; SSH and OpenPGP are judged",
	} {
		hash := l.write("commit", withSignature(payload, []byte(armor)))
		l.refused(Demand{Trust: l.trust(alice), Commit: hash}, reason, hash)
	}
}

func TestRangeJudgesEveryCommitSinceTheLastApplied(t *testing.T) {
	l := newLab(t)
	alice, bob := l.person("alice"), l.person("bob")
	old := l.commit(alice.unsigned(), "web.yaml", "replicas: 1")
	applied := l.commit(alice, "web.yaml", "replicas: 2")
	unsigned := l.commit(alice.unsigned(), "web.yaml", "replicas: 3")
	byBob := l.commit(bob, "web.yaml", "replicas: 4")
	head := l.commit(alice, "web.yaml", "replicas: 5")
	both := l.trust(alice, bob)

	l.verified(Demand{Trust: both, Commit: head})
	l.verified(Demand{Trust: both, Commit: head, Range: true, Since: unsigned})
	l.verified(Demand{Trust: both, Commit: applied, Range: true, Since: old})
	l.refused(Demand{Trust: both, Commit: head, Range: true, Since: applied}, "commit $1, which $2 brings, is not signed", unsigned, head)
	l.refused(Demand{Trust: l.trust(alice), Commit: head, Range: true, Since: applied},
		"commit $1, which $2 brings, is signed by the key "+bob.fingerprint(t)+", which no trust root names; 1 more does not hold", byBob, head)
	l.refused(Demand{Trust: both, Commit: head, Range: true},
		"commit $1, which $2 brings, is not signed; 1 more does not hold", unsigned, head)
}

func TestRangeAlwaysJudgesTheCommitItself(t *testing.T) {
	l := newLab(t)
	alice := l.person("alice")
	old := l.commit(alice.unsigned(), "web.yaml", "replicas: 1")
	head := l.commit(alice, "web.yaml", "replicas: 2")
	l.refused(Demand{Trust: l.trust(alice), Commit: old, Range: true, Since: old}, "commit $1 is not signed", old)
	l.refused(Demand{Trust: l.trust(alice), Commit: old, Range: true, Since: head}, "commit $1 is not signed", old)
}

func TestRangeTakesWhatAMergeBringsFromBothSides(t *testing.T) {
	l := newLab(t)
	alice := l.person("alice")
	base := l.commit(alice, "base.yaml", "1")
	l.git("checkout", "-q", "-b", "feature")
	hidden := l.commit(alice.unsigned(), "web.yaml", "replicas: 3")
	l.commit(alice, "web.yaml", "replicas: 4")
	l.git("checkout", "-q", "main")
	l.commit(alice, "db.yaml", "1")
	head := l.merge(alice, "feature")
	l.refused(Demand{Trust: l.trust(alice), Commit: head, Range: true, Since: base}, "commit $1, which $2 brings, is not signed", hidden, head)
}

func TestAfterARewrittenHistoryRangeBeginsAtTheMergeBase(t *testing.T) {
	l := newLab(t)
	alice := l.person("alice")
	l.commit(alice.unsigned(), "web.yaml", "replicas: 1")
	base := l.commit(alice, "web.yaml", "replicas: 2")
	applied := l.commit(alice, "web.yaml", "replicas: 3")
	l.git("reset", "-q", "--hard", base)
	l.commit(alice, "web.yaml", "replicas: 4")
	head := l.commit(alice, "web.yaml", "replicas: 5")
	l.verified(Demand{Trust: l.trust(alice), Commit: head, Range: true, Since: applied})

	gone := strings.Repeat("12", 20)
	first := l.git("rev-list", "--max-parents=0", "HEAD")
	l.refused(Demand{Trust: l.trust(alice), Commit: head, Range: true, Since: gone}, "commit $1, which $2 brings, is not signed", first, head)
}

// A clock that went wrong may ask for more signatures; never for fewer.
func TestRangeHoldsWithClocksThatWentWrong(t *testing.T) {
	l := newLab(t)
	alice := l.person("alice")
	l.commit(alice.unsigned(), "a.yaml", "0")
	applied := l.commit(alice, "a.yaml", "1")
	late := l.clock
	l.clock = late.AddDate(-30, 0, 0)
	unsigned := l.commit(alice.unsigned(), "a.yaml", "2")
	l.clock = late.AddDate(10, 0, 0)
	l.commit(alice, "a.yaml", "3")
	l.clock = late.AddDate(-20, 0, 0)
	head := l.commit(alice, "a.yaml", "4")
	l.refused(Demand{Trust: l.trust(alice), Commit: head, Range: true, Since: applied}, "commit $1, which $2 brings, is not signed", unsigned, head)
}

func TestOtherTrustRootsGiveAnotherVerdict(t *testing.T) {
	l := newLab(t)
	alice, bob := l.person("alice"), l.person("bob")
	head := l.commit(alice, "web.yaml", "replicas: 3")
	l.verified(Demand{Trust: l.trust(alice), Commit: head})
	l.refused(Demand{Trust: l.trust(bob), Commit: head}, "commit $1 is signed by the key "+alice.fingerprint(t)+", which no trust root names", head)
	broken := l.trust(alice)
	broken.AllowedSigners["more"] = []byte("# people\nbob@example.com ssh-ed25519\n")
	l.refused(Demand{Trust: broken, Commit: head},
		`nothing is trusted: reading the allowed signers "more": line 2: the type ssh-ed25519 without a key`)
}

func TestWhatTheCommitItselfSaysOfTrustIsIgnored(t *testing.T) {
	l := newLab(t)
	alice, bob := l.person("alice"), l.person("bob")
	l.git("config", "gpg.ssh.allowedSignersFile", "allowed_signers")
	head := l.commit(bob, "allowed_signers", "bob@example.com "+bob.public(t))
	l.refused(Demand{Trust: l.trust(alice), Commit: head}, "commit $1 is signed by the key "+bob.fingerprint(t)+", which no trust root names", head)
}

// No verdict: what can't be read is neither good nor bad.
func TestACommitThatIsMissingGetsNoVerdict(t *testing.T) {
	l := newLab(t)
	alice := l.person("alice")
	head := l.commit(alice, "web.yaml", "replicas: 3")
	for name, hash := range map[string]string{"missing": strings.Repeat("ab", 20), "a tree": l.git("rev-parse", "HEAD^{tree}")} {
		v, err := l.verify(Demand{Trust: l.trust(alice), Commit: hash})
		var unverified *UnverifiedError
		if err == nil || errors.As(err, &unverified) {
			t.Errorf("%s: %+v, %v", name, v, err)
		}
	}
	repository, err := Open(l.dir)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := repository.Verify(ctx, Demand{Trust: l.trust(alice), Commit: head}); !errors.Is(err, context.Canceled) {
		t.Errorf("after the caller gave up: %v", err)
	}
}

// Loose objects are files: what they hold must be what their names say.
func TestAnObjectWithTheContentOfAnotherGetsNoVerdict(t *testing.T) {
	l := newLab(t)
	alice := l.person("alice")
	good := l.commit(alice, "web.yaml", "replicas: 3")
	bad := l.commit(alice.unsigned(), "web.yaml", "replicas: 0")
	loose := func(hash string) string { return filepath.Join(l.dir, ".git", "objects", hash[:2], hash[2:]) }
	content, err := os.ReadFile(loose(good))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(loose(bad)); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(loose(bad), content, 0o600); err != nil {
		t.Fatal(err)
	}
	if v, err := l.verify(Demand{Trust: l.trust(alice), Commit: bad}); !errors.Is(err, ErrCorrupt) {
		t.Errorf("verified %+v, %v", v, err)
	}
}
