package git

import (
	"bytes"
	"strconv"
	"strings"
	"time"
)

// signatureHeader is the header of a commit that holds the signature over the form of
// the commit that the repository keeps: commits of SHA-256 repositories have one of
// their own (gitformat-signature(5), Documentation/technical/hash-function-transition).
func signatureHeader(hash string) string {
	if len(hash) == 64 {
		return "gpgsig-sha256"
	}
	return "gpgsig"
}

// splitCommit takes a raw commit apart as git does (parse_signed_commit in commit.c):
// the payload is every byte but the headers whose names begin with gpgsig. It never
// encodes anew, so that headers that nobody here knows stay signed. more is true when
// there are several signatures, which git would run together.
func splitCommit(raw []byte, header string) (payload, signature []byte, more bool) {
	mine, other := false, false
	for len(raw) > 0 {
		line, rest := cutLine(raw)
		value, starts := bytes.CutPrefix(line, []byte(header+" "))
		switch {
		case (mine || other) && line[0] == ' ':
			if mine {
				signature = append(signature, line[1:]...)
			}
		case starts:
			more = more || signature != nil
			mine, other = true, false
			signature = append(signature, value...)
		case bytes.HasPrefix(line, []byte("gpgsig")):
			mine, other = false, true
		case line[0] == '\n':
			return append(payload, raw...), signature, more
		default:
			mine, other = false, false
			payload = append(payload, line...)
		}
		raw = rest
	}
	return payload, signature, more
}

// splitTag takes a raw tag apart as git does (parse_signature in gpg-interface.c): the
// signature is the rest from the last line that begins one; a header gpgsig or
// gpgsig-sha256 is of the other hash algorithm, and is no part of the payload.
func splitTag(raw []byte) (payload, signature []byte) {
	start := -1
	for at := 0; at < len(raw); {
		line, _ := cutLine(raw[at:])
		for _, armor := range []string{armorSSH, armorPGP, armorMessage, armorX509} {
			if bytes.HasPrefix(line, []byte(armor)) {
				start = at
			}
		}
		at += len(line)
	}
	if start < 0 {
		return raw, nil
	}
	return withoutSignatureHeaders(raw[:start]), raw[start:]
}

func withoutSignatureHeaders(raw []byte) []byte {
	var kept []byte
	dropping := false
	for len(raw) > 0 {
		line, rest := cutLine(raw)
		if line[0] == '\n' {
			return append(kept, raw...)
		}
		dropping = bytes.HasPrefix(line, []byte("gpgsig ")) || bytes.HasPrefix(line, []byte("gpgsig-sha256 ")) ||
			dropping && line[0] == ' '
		if !dropping {
			kept = append(kept, line...)
		}
		raw = rest
	}
	return kept
}

// cutLine cuts the first line off, its newline included.
func cutLine(raw []byte) (line, rest []byte) {
	if i := bytes.IndexByte(raw, '\n'); i >= 0 {
		return raw[:i+1], raw[i+1:]
	}
	return raw, nil
}

// headerLines are the headers of a raw commit or tag, without those lines that
// continue one.
func headerLines(raw []byte) (lines []string) {
	for len(raw) > 0 {
		var line []byte
		line, raw = cutLine(raw)
		if line[0] == '\n' {
			break
		}
		if line[0] != ' ' {
			lines = append(lines, strings.TrimSuffix(string(line), "\n"))
		}
	}
	return lines
}

// identity reads "Alice <alice@example.com> 1700000000 +0100".
func identity(value string) (email string, when time.Time) {
	if _, rest, ok := strings.Cut(value, "<"); ok {
		email, _, _ = strings.Cut(rest, ">")
	}
	fields := strings.Fields(value[strings.LastIndexByte(value, '>')+1:])
	if len(fields) > 0 {
		if seconds, err := strconv.ParseInt(fields[0], 10, 64); err == nil {
			when = time.Unix(seconds, 0).UTC()
		}
	}
	return strings.TrimSpace(email), when
}
