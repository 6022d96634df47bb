package desired

import (
	"regexp"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/getsops/sops/v3"
)

// markLeaves puts a made-up value in place of each that is encrypted in git. It has the
// shape of the true one, since a renderer may look at it: letters stay letters,
// digits digits, and so base64 and lengths stay what they are. A truth value stays: its
// other value would turn another way, not be another value.
func markLeaves(branches sops.TreeBranches, ids map[string]bool, format sopsFormat) {
	eachLeaf(branches, func(at place, value any) any {
		// By its identity an object is found again in the other rendering.
		if !ids[at.id] || at.isIdentity() {
			return value
		}
		switch value := value.(type) {
		case string:
			if format == sopsBinary {
				return markText(value, markAssigned)
			}
			return markText(value, markLine)
		case int:
			return value + 1
		case float64:
			return value + 1
		case time.Time:
			return value.Add(time.Second)
		}
		return value
	})
}

// markText changes a text line by line. Nothing of it stays unless it is empty.
func markText(text string, line func(string) string) string {
	lines := strings.Split(text, "\n")
	for i := range lines {
		lines[i] = line(lines[i])
	}
	if marked := strings.Join(lines, "\n"); marked != text || text == "" {
		return marked
	}
	if marked := rotate(text); marked != text {
		return marked
	}
	return strings.Repeat("x", utf8.RuneCountInString(text))
}

// markLine leaves the rules of PEM blocks.
func markLine(line string) string {
	if strings.HasPrefix(line, "-----") {
		return line
	}
	return rotate(line)
}

// assigned is the beginning of a line that gives a name a value, as YAML, JSON, dotenv
// and INI write it.
var assigned = regexp.MustCompile(`^\s*(- +)?["']?[\w./-]+["']?\s*[:=]\s*["']?`)

// markAssigned leaves the names that a whole encrypted file gives to its values: a
// generator makes keys of them.
func markAssigned(line string) string {
	name := assigned.FindString(line)
	value := line[len(name):]
	switch strings.TrimRight(value, " ,\r") {
	case "true", "false", "null":
		return line
	}
	return name + markLine(value)
}

// rotate moves each letter and digit to the next.
func rotate(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == 'z' || r == 'Z':
			return r - 25
		case r == '9':
			return '0'
		case r >= 'a' && r < 'z', r >= 'A' && r < 'Z', r >= '0' && r < '9':
			return r + 1
		}
		return r
	}, text)
}
