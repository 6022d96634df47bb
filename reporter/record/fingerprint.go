package record

import (
	"encoding/json"
	"hash"
	"maps"
	"slices"
	"strconv"
)

// Fingerprint writes a decoded JSON value to a hash: equal values the same, and others
// something else. Nothing is copied. As JSON, a text of forty mebibytes may take six
// times as much again, twice over while it grows.
func Fingerprint(h hash.Hash, v any) error {
	f := fingerprint{h: h}
	f.value(v)
	return f.err
}

type fingerprint struct {
	h      hash.Hash
	buffer [4096]byte
	err    error
}

func (f *fingerprint) value(v any) {
	switch v := v.(type) {
	case map[string]any:
		f.begin('m', len(v))
		for _, key := range slices.Sorted(maps.Keys(v)) {
			f.text('k', key)
			f.value(v[key])
		}
	case []any:
		f.begin('l', len(v))
		for _, item := range v {
			f.value(item)
		}
	case string:
		f.text('s', v)
	default: // a number, true, false or null
		raw, err := json.Marshal(v)
		if err != nil {
			f.err = err
		}
		f.text('v', string(raw))
	}
}

// text comes after its length, so that no two sequences look alike.
func (f *fingerprint) text(kind byte, s string) {
	f.begin(kind, len(s))
	for len(s) > 0 {
		n := copy(f.buffer[:], s)
		f.h.Write(f.buffer[:n]) // a hash takes all
		s = s[n:]
	}
}

func (f *fingerprint) begin(kind byte, length int) {
	b := append(f.buffer[:0], kind)
	b = strconv.AppendInt(b, int64(length), 10)
	f.h.Write(append(b, ':'))
}
