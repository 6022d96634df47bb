package git

import (
	"errors"
	"fmt"
	"maps"
	"slices"
)

// trust is what signatures are judged by, read whole.
type trust struct {
	keys        map[string][]signerLine // by the key's wire form
	authorities map[string][]signerLine // the same, for lines with cert-authority
	pgp         map[uint64][]pgpKey     // by the id of each of their keys
	people      people
}

// readTrust reads the trust roots. What can't be read whole is not trusted at all: the
// line that can't be read may be the one that takes a key's right away.
func readTrust(from Trust) (*trust, error) {
	t := &trust{
		keys:        map[string][]signerLine{},
		authorities: map[string][]signerLine{},
		pgp:         map[uint64][]pgpKey{},
		people:      people{},
	}
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(from.AllowedSigners)) {
		lines, err := parseSigners(name, from.AllowedSigners[name])
		errs = append(errs, err)
		for _, line := range lines {
			t.addLine(line)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(from.Keyrings)) {
		keys, err := parseKeyring(from.Keyrings[name])
		if err != nil {
			errs = append(errs, fmt.Errorf("reading the keyring %q: %w", name, err))
		}
		for _, key := range keys {
			t.addKey(key)
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	if len(t.keys)+len(t.authorities)+len(t.pgp) == 0 {
		return nil, errors.New("the trust roots hold no key")
	}
	return t, nil
}

func (t *trust) addLine(line signerLine) {
	wire := string(line.key.Marshal())
	if line.authority {
		t.authorities[wire] = append(t.authorities[wire], line)
		return
	}
	t.keys[wire] = append(t.keys[wire], line)
	for _, name := range line.principals.literals() {
		t.people.join(keyMark(line.fingerprint()), nameMark(name))
	}
}

func (t *trust) addKey(key pgpKey) {
	for _, id := range key.ids {
		t.pgp[id] = append(t.pgp[id], key)
	}
	for _, email := range key.emails {
		t.people.join(keyMark(key.fingerprint), nameMark(email))
	}
}
