package git

import (
	"bytes"
	"fmt"
	"strings"
	"time"

	"github.com/hiddeco/sshsig"
	"golang.org/x/crypto/ssh"
)

// namespace is what git signs for: a signature over a file, or over a login, is none
// over a commit (PROTOCOL.sshsig, section 2).
const namespace = "git"

// judgeSSH judges an SSH signature. The lines of allowed_signers that fit its key are
// asked in turn; one that accepts it is enough.
//
// The time that valid-after, valid-before and a certificate are judged at is the one
// the committer or tagger wrote: an SSH signature carries none, and git asks ssh-keygen
// by the same time. Whoever holds the key can write any time there, so an expiry
// retires a key in good order; a key that was lost is taken out of the file.
func (t *trust) judgeSSH(s signed) (signer, string) {
	signature, err := sshsig.Unarmor(s.signature)
	if err != nil {
		return signer{}, "carries an SSH signature that can't be read"
	}
	if signature.Namespace != namespace {
		return signer{}, fmt.Sprintf("carries an SSH signature for the namespace %q, not for %q", signature.Namespace, namespace)
	}
	if weak(signature.Signature) {
		return signer{}, fmt.Sprintf("carries an SSH signature of the form %s, which is not safe", signature.Signature.Format)
	}
	if err := sshsig.Verify(bytes.NewReader(s.payload), signature, signature.PublicKey, signature.HashAlgorithm, namespace); err != nil {
		return signer{}, "carries an SSH signature over other content"
	}
	if certificate, ok := signature.PublicKey.(*ssh.Certificate); ok {
		return t.judgeCertificate(s, certificate)
	}
	key := ssh.FingerprintSHA256(signature.PublicKey)
	reason := fmt.Sprintf("is signed by the key %s, which no trust root names", key)
	for i, line := range t.keys[string(signature.PublicKey.Marshal())] {
		name, refused := line.accepts(s)
		if refused == "" {
			return signer{name: name, key: key}, ""
		}
		if i == 0 {
			reason = fmt.Sprintf("is signed by the key %s, which %s", key, refused)
		}
	}
	return signer{}, reason
}

// judgeCertificate judges a signature by a key whose certificate an authority of
// allowed_signers made: the principal is one that the certificate and the line both
// name. The signature itself has been verified.
func (t *trust) judgeCertificate(s signed, certificate *ssh.Certificate) (signer, string) {
	key := ssh.FingerprintSHA256(certificate.Key)
	reason := fmt.Sprintf("is signed by the key %s with a certificate of an authority that no trust root names", key)
	if certificate.CertType != ssh.UserCert {
		return signer{}, fmt.Sprintf("is signed by the key %s with a certificate that is none of a user", key)
	}
	if weak(certificate.Signature) {
		return signer{}, fmt.Sprintf("is signed by the key %s with a certificate of the form %s, which is not safe", key, certificate.Signature.Format)
	}
	for i, line := range t.authorities[string(certificate.SignatureKey.Marshal())] {
		name, refused := line.certifies(s, certificate)
		if refused == "" {
			return signer{name: name, key: key}, ""
		}
		if i == 0 {
			reason = fmt.Sprintf("is signed by the key %s with a certificate that %s", key, refused)
		}
	}
	return signer{}, reason
}

// dsa is the format of DSA signatures (RFC 4253, section 6.6).
const dsa = "ssh-dss"

// weak tells what rests on SHA-1: RSA in its old form, and DSA.
func weak(s *ssh.Signature) bool {
	return s == nil || s.Format == ssh.KeyAlgoRSA || s.Format == dsa
}

// accepts says under which principal the line's key may have signed, or why not.
func (l signerLine) accepts(s signed) (name, refused string) {
	if refused := l.refuses(s.when); refused != "" {
		return "", refused
	}
	if l.principals.matches(s.email) {
		return l.principals.spelled(s.email), ""
	}
	for _, name := range l.principals.literals() {
		if l.principals.matches(name) {
			return name, ""
		}
	}
	return "", fmt.Sprintf("%s allows for %q only, and not for %q", l.where, l.principals, s.email)
}

// certifies says under which principal the holder of a certificate may have signed. A
// certificate without principals is good for anybody at a login; as in ssh-keygen, it
// is good for nobody here.
func (l signerLine) certifies(s signed, certificate *ssh.Certificate) (name, refused string) {
	if refused := l.refuses(s.when); refused != "" {
		return "", refused
	}
	for _, principal := range certificate.ValidPrincipals {
		if !l.principals.matches(principal) || name != "" && !strings.EqualFold(principal, s.email) {
			continue
		}
		checker := ssh.CertChecker{
			Clock:                    func() time.Time { return s.when },
			SupportedCriticalOptions: []string{"force-command", "source-address"}, // of logins
		}
		if err := checker.CheckCert(principal, certificate); err != nil {
			return "", "is not accepted: " + strings.TrimPrefix(err.Error(), "ssh: ")
		}
		name = principal
	}
	if name == "" {
		return "", fmt.Sprintf("names no principal that %s allows", l.where)
	}
	return l.principals.spelled(name), ""
}

// refuses says why the line does not hold for a signature by git at that time.
func (l signerLine) refuses(when time.Time) string {
	const form = "2006-01-02 15:04:05 MST"
	switch {
	case l.namespaces != nil && !l.namespaces.match(namespace, false):
		return fmt.Sprintf("%s allows for the namespaces %q only", l.where, l.namespaces)
	case (!l.after.IsZero() || !l.before.IsZero()) && when.IsZero():
		return fmt.Sprintf("%s allows for a time only, and the signature has none", l.where)
	case !l.after.IsZero() && when.Before(l.after):
		return fmt.Sprintf("%s allows from %s on, and it says %s", l.where, l.after.Format(form), when.Format(form))
	case !l.before.IsZero() && when.After(l.before):
		return fmt.Sprintf("%s allows until %s, and it says %s", l.where, l.before.Format(form), when.Format(form))
	}
	return ""
}
