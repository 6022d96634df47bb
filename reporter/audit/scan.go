package audit

import (
	"bytes"
	"encoding/json"
)

/*
A log is long, and little of it is about anybody whom the judge does not let through.
So each line is first walked over: brackets and strings are told apart, and what is
between them is not looked at. It is no check of the JSON: where a line is taken for a
write around git, it is decoded as everywhere else.
*/

// members calls each with the key and the value, as they stand in the line, of every
// member of the object at the beginning of b, until each says no. end is where the walk
// ended: behind the object, or behind the last value. ok is false where b is no whole
// object.
func members(b []byte, each func(key, value []byte) bool) (end int, ok bool) {
	i := space(b, 0)
	if i >= len(b) || b[i] != '{' {
		return i, false
	}
	i = space(b, i+1)
	if i < len(b) && b[i] == '}' {
		return i + 1, true
	}
	for i < len(b) && b[i] == '"' {
		begin := i
		if i, ok = skipString(b, i); !ok {
			return i, false
		}
		key := b[begin:i]
		if i = space(b, i); i >= len(b) || b[i] != ':' {
			return i, false
		}
		begin = space(b, i+1)
		if i, ok = skipValue(b, begin); !ok {
			return i, false
		}
		if !each(key, b[begin:i]) {
			return i, true
		}
		i = space(b, i)
		if i < len(b) && b[i] == '}' {
			return i + 1, true
		}
		if i >= len(b) || b[i] != ',' {
			return i, false
		}
		i = space(b, i+1)
	}
	return i, false
}

// skipValue returns where the value that begins at i ends.
func skipValue(b []byte, i int) (end int, ok bool) {
	if i >= len(b) {
		return i, false
	}
	switch b[i] {
	case '"':
		return skipString(b, i)
	case '{', '[':
		return skipNested(b, i)
	}
	begin := i
	for i < len(b) {
		switch b[i] {
		case ',', '}', ']', ':', '"', '{', '[', ' ', '\t', '\r', '\n':
			return i, i > begin
		}
		i++
	}
	return i, false // a number may go on
}

// skipNested returns where the object or list that begins at i ends, by counting its
// brackets.
func skipNested(b []byte, i int) (end int, ok bool) {
	depth := 0
	for i < len(b) {
		switch b[i] {
		case '"':
			if i, ok = skipString(b, i); !ok {
				return i, false
			}
			continue
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				return i + 1, true
			}
		}
		i++
	}
	return i, false
}

// skipString returns where the string that begins at i ends.
func skipString(b []byte, i int) (end int, ok bool) {
	i++
	for {
		n := bytes.IndexByte(b[i:], '"')
		if n < 0 {
			return len(b), false
		}
		i += n + 1
		slashes := 0
		for b[i-2-slashes] == '\\' {
			slashes++
		}
		if slashes%2 == 0 {
			return i, true
		}
	}
}

func space(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\t' || b[i] == '\r' || b[i] == '\n') {
		i++
	}
	return i
}

// is compares a string as it stands in the line with one that needs no escapes.
func is(quoted []byte, want string) bool {
	if len(quoted) == len(want)+2 && string(quoted[1:len(quoted)-1]) == want {
		return true
	}
	return bytes.IndexByte(quoted, '\\') >= 0 && unquote(quoted) == want
}

// unquote reads a string as it stands in the line; "" where it is none.
func unquote(quoted []byte) string {
	plain := len(quoted) >= 2 && quoted[0] == '"'
	for i := 1; plain && i < len(quoted)-1; i++ {
		plain = quoted[i] >= ' ' && quoted[i] < 0x80 && quoted[i] != '\\'
	}
	if plain {
		return string(quoted[1 : len(quoted)-1])
	}
	var s string
	if err := json.Unmarshal(quoted, &s); err != nil {
		return ""
	}
	return s
}

// number reads a small whole number; 0 where it is none.
func number(b []byte) int {
	n := 0
	for _, c := range b {
		if c < '0' || c > '9' || n > 1<<20 {
			return 0
		}
		n = 10*n + int(c-'0')
	}
	return n
}
