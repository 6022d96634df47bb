package git

import (
	"bytes"
	"strings"
	"time"
)

// A signer is who made a signature, as the trust roots name them.
type signer struct {
	name string // the principal
	key  string // fingerprint; "" for a person who is known by their own word only
}

// signed is one commit or tag taken apart: what was signed, by what, and what it says
// of itself.
type signed struct {
	payload   []byte
	signature []byte    // armored; nil when there is none
	email     string    // of the committer or tagger, by their own word
	when      time.Time // of the committer or tagger; zero when it can't be told
}

// The first line of each form of signature that git knows.
const (
	armorSSH     = "-----BEGIN SSH SIGNATURE-----"
	armorPGP     = "-----BEGIN PGP SIGNATURE-----"
	armorMessage = "-----BEGIN PGP MESSAGE-----"
	armorX509    = "-----BEGIN SIGNED MESSAGE-----"
)

// judge says who signed, or why the signature is worth nothing: a phrase that goes on
// after "commit 3f2c1ab". Exactly one of the two is set.
func (t *trust) judge(s signed) (who signer, reason string) {
	armor := string(bytes.TrimLeft(s.signature, " \t\r\n"))
	switch {
	case s.signature == nil:
		return signer{}, "is not signed"
	case strings.HasPrefix(armor, armorSSH):
		return t.judgeSSH(s)
	case strings.HasPrefix(armor, armorPGP), strings.HasPrefix(armor, armorMessage):
		return t.judgePGP(s)
	case strings.HasPrefix(armor, armorX509):
		return signer{}, "carries an X.509 signature; SSH and OpenPGP are judged"
	}
	return signer{}, "carries a signature of an unknown form; SSH and OpenPGP are judged"
}
