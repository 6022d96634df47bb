package git

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"
)

// signerLine is one line of an allowed_signers file.
type signerLine struct {
	where         string // "signers:3", for people
	principals    patterns
	authority     bool
	namespaces    patterns // nil: any
	after, before time.Time
	key           ssh.PublicKey
}

func (l signerLine) fingerprint() string { return ssh.FingerprintSHA256(l.key) }

// parseSigners reads a file as ssh-keygen(1) says under ALLOWED SIGNERS, and takes what
// ssh-keygen takes. Every line that is wrong is named.
func parseSigners(name string, content []byte) (lines []signerLine, err error) {
	var errs []error
	for i, text := range strings.Split(string(content), "\n") {
		text = strings.Trim(text, " \t\r")
		if text == "" || text[0] == '#' {
			continue
		}
		line, err := parseSigner(text)
		if err != nil {
			errs = append(errs, fmt.Errorf("reading the allowed signers %q: line %d: %w", name, i+1, err))
			continue
		}
		line.where = fmt.Sprintf("%s:%d", name, i+1)
		lines = append(lines, line)
	}
	return lines, errors.Join(errs...)
}

// parseSigner reads: principals [options] keytype base64 [comment].
func parseSigner(text string) (signerLine, error) {
	var line signerLine
	names, rest, err := cutPrincipals(text)
	if err != nil {
		return line, err
	}
	line.principals = strings.Split(names, ",")
	if strings.Trim(names, "!,") == "" {
		return line, errors.New("no principal")
	}
	if rest == "" {
		return line, errors.New("no key")
	}
	if !isKeyType(rest) {
		var options string
		if options, rest, err = cutOptions(rest); err != nil {
			return line, err
		}
		if err := line.readOptions(options); err != nil {
			return line, err
		}
	}
	line.key, err = parseKey(rest)
	return line, err
}

// cutPrincipals cuts the first word off, which may be quoted.
func cutPrincipals(text string) (names, rest string, err error) {
	if quoted, ok := strings.CutPrefix(text, `"`); ok {
		names, rest, ok = strings.Cut(quoted, `"`)
		if !ok {
			return "", "", errors.New("principals with a quote that doesn't end")
		}
		return names, strings.TrimLeft(rest, " \t"), nil
	}
	end := strings.IndexAny(text, " \t")
	if end < 0 {
		return text, "", nil
	}
	if strings.Contains(text[:end], `"`) {
		return "", "", errors.New("principals with a quote in their midst")
	}
	return text[:end], strings.TrimLeft(text[end:], " \t"), nil
}

// cutOptions cuts the options off: up to the first space outside of quotes.
func cutOptions(text string) (options, rest string, err error) {
	quoted := false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '\\' && i+1 < len(text) && text[i+1] == '"':
			i++
		case c == '"':
			quoted = !quoted
		case (c == ' ' || c == '\t') && !quoted:
			return text[:i], strings.TrimLeft(text[i:], " \t"), nil
		}
	}
	if quoted {
		return "", "", errors.New("options with a quote that doesn't end")
	}
	return text, "", nil
}

// keyTypes are those that ssh-keygen makes; ssh-dss isn't among them: it rests on
// SHA-1.
func keyTypes() []string {
	return []string{
		ssh.KeyAlgoED25519, ssh.KeyAlgoSKED25519, ssh.KeyAlgoRSA,
		ssh.KeyAlgoECDSA256, ssh.KeyAlgoECDSA384, ssh.KeyAlgoECDSA521, ssh.KeyAlgoSKECDSA256,
	}
}

func isKeyType(text string) bool {
	word, _, _ := strings.Cut(strings.ReplaceAll(text, "\t", " "), " ")
	for _, known := range keyTypes() {
		if strings.EqualFold(word, known) {
			return true
		}
	}
	return strings.HasPrefix(word, "ssh-") || strings.HasPrefix(word, "ecdsa-") || strings.HasPrefix(word, "sk-")
}

func parseKey(text string) (ssh.PublicKey, error) {
	fields := strings.Fields(text)
	if len(fields) == 0 {
		return nil, errors.New("no key")
	}
	kind := fields[0]
	switch {
	case strings.Contains(kind, "-cert-v"):
		return nil, fmt.Errorf("%s is a certificate: name the key of its authority, with cert-authority", kind)
	case !known(kind):
		return nil, fmt.Errorf("keys of the type %q are not accepted; these are: %s", kind, strings.Join(keyTypes(), ", "))
	case len(fields) < 2:
		return nil, fmt.Errorf("the type %s without a key", kind)
	}
	wire, err := base64.StdEncoding.DecodeString(fields[1])
	if err != nil {
		return nil, fmt.Errorf("the %s key is not base64", kind)
	}
	key, err := ssh.ParsePublicKey(wire)
	if err != nil {
		return nil, fmt.Errorf("the %s key can't be read", kind)
	}
	if key.Type() != kind {
		return nil, fmt.Errorf("the key is of the type %s, not %s", key.Type(), kind)
	}
	return key, nil
}

func known(kind string) bool {
	for _, accepted := range keyTypes() {
		if kind == accepted {
			return true
		}
	}
	return false
}
