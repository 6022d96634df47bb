package git

import (
	"bytes"
	"crypto"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/armor"
	pgperrors "github.com/ProtonMail/go-crypto/openpgp/errors"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
)

// judgePGP judges an OpenPGP signature. Key, subkey and user id must have been good
// when the signature was made, by the signature's own word: a key that expired since
// was good then. A revocation without a reason, or for a compromise, takes the key
// away from the beginning; one that says "superseded" or "retired" from its date on.
func (t *trust) judgePGP(s signed) (signer, string) {
	raw, signature, err := readSignature(s.signature)
	if err != nil {
		return signer{}, "carries an OpenPGP signature that can't be read: " + err.Error()
	}
	keys := t.pgp[*signature.IssuerKeyId]
	if len(keys) == 0 {
		return signer{}, fmt.Sprintf("is signed by the OpenPGP key %016X, which no trust root names", *signature.IssuerKeyId)
	}
	var good signer
	reason := ""
	for _, key := range keys {
		who, err := key.verify(s.payload, raw, signature.CreationTime)
		switch {
		case err == nil && good.name == "":
			good = who
		case errors.Is(err, pgperrors.ErrKeyRevoked):
			// Another file may hold the key as it was before it was revoked.
			return signer{}, fmt.Sprintf("is signed by the OpenPGP key %s, which is revoked", key.fingerprint)
		case err != nil && reason == "":
			reason = explainPGP(err, key.fingerprint)
		}
	}
	if good.name != "" {
		return good, ""
	}
	return signer{}, reason
}

// readSignature reads exactly one signature over binary content, as git does.
func readSignature(armored []byte) (raw []byte, signature *packet.Signature, err error) {
	block, err := armor.Decode(bytes.NewReader(armored))
	if err != nil {
		return nil, nil, err
	}
	if raw, err = io.ReadAll(block.Body); err != nil {
		return nil, nil, err
	}
	packets := packet.NewReader(bytes.NewReader(raw))
	for {
		next, err := packets.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, nil, err
		}
		one, ok := next.(*packet.Signature)
		if !ok || signature != nil {
			return nil, nil, errors.New("it is not one signature alone")
		}
		signature = one
	}
	switch {
	case signature == nil:
		return nil, nil, errors.New("it is empty")
	case signature.SigType != packet.SigTypeBinary:
		return nil, nil, errors.New("it is not over binary content")
	case signature.IssuerKeyId == nil:
		return nil, nil, errors.New("it names no key")
	}
	return raw, signature, nil
}

func (k pgpKey) verify(payload, raw []byte, at time.Time) (signer, error) {
	entity, err := openpgp.ReadEntity(packet.NewReader(bytes.NewReader(k.packets)))
	if err != nil {
		return signer{}, err
	}
	config := &packet.Config{
		Time:                        func() time.Time { return at },
		RejectMessageHashAlgorithms: map[crypto.Hash]bool{crypto.SHA1: true, crypto.MD5: true, crypto.RIPEMD160: true},
	}
	keyring := openpgp.EntityList{entity}
	if _, _, err := openpgp.VerifyDetachedSignature(keyring, bytes.NewReader(payload), bytes.NewReader(raw), config); err != nil {
		return signer{}, err
	}
	name, ok := principal(entity, at, config)
	if !ok {
		return signer{}, pgperrors.ErrKeyExpired
	}
	return signer{name: name, key: k.fingerprint}, nil
}

// principal is the address of the primary user id as it was at that time: the one that
// is marked so, else the newest, else the first by name, so that it is always the same.
func principal(entity *openpgp.Entity, at time.Time, config *packet.Config) (string, bool) {
	var best *openpgp.Identity
	var proof *packet.Signature
	for _, name := range slices.Sorted(maps.Keys(entity.Identities)) {
		identity := entity.Identities[name]
		candidate, err := identity.Verify(at, config)
		if err != nil {
			continue
		}
		if best == nil || primary(candidate) && !primary(proof) ||
			primary(candidate) == primary(proof) && candidate.CreationTime.After(proof.CreationTime) {
			best, proof = identity, candidate
		}
	}
	if best == nil {
		return "", false
	}
	return address(best), true
}

func primary(s *packet.Signature) bool { return s.IsPrimaryId != nil && *s.IsPrimaryId }

func explainPGP(err error, fingerprint string) string {
	var unsafe pgperrors.SignatureError
	switch {
	case errors.Is(err, pgperrors.ErrKeyExpired), errors.Is(err, pgperrors.ErrSignatureOlderThanKey):
		return fmt.Sprintf("is signed by the OpenPGP key %s, which was not valid when it signed", fingerprint)
	case errors.As(err, &unsafe):
		return fmt.Sprintf("carries an OpenPGP signature by the key %s that does not hold: %s", fingerprint, string(unsafe))
	}
	return fmt.Sprintf("carries an OpenPGP signature by the key %s that does not hold: %v", fingerprint, err)
}
