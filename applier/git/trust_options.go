package git

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// readOptions reads comma-separated options, their names in any case. As with
// ssh-keygen a value is quoted, none comes twice, and an unknown one fails the line: it
// might take a right away.
func (l *signerLine) readOptions(text string) error {
	seen := map[string]bool{}
	for text != "" {
		name, value, rest, err := cutOption(text)
		if err != nil {
			return err
		}
		name = strings.ToLower(name)
		if seen[name] {
			return fmt.Errorf("the option %s twice", name)
		}
		seen[name] = true
		if err := l.readOption(name, value); err != nil {
			return err
		}
		text = rest
	}
	if !l.after.IsZero() && !l.before.IsZero() && !l.before.After(l.after) {
		return errors.New("valid-before is not after valid-after")
	}
	return nil
}

func (l *signerLine) readOption(name string, value *string) (err error) {
	if name == "cert-authority" {
		if value != nil {
			return errors.New("cert-authority takes no value")
		}
		l.authority = true
		return nil
	}
	switch name {
	case "namespaces", "valid-after", "valid-before":
	default:
		return fmt.Errorf("%q is neither an option nor a type of key", name)
	}
	if value == nil {
		return fmt.Errorf(`%s needs a value in double quotes: %s="..."`, name, name)
	}
	switch name {
	case "namespaces":
		l.namespaces = strings.Split(*value, ",")
		return nil
	case "valid-after":
		l.after, err = parseTimestamp(*value)
	case "valid-before":
		l.before, err = parseTimestamp(*value)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// cutOption cuts one option off. The value is nil where there is none in quotes.
func cutOption(text string) (name string, value *string, rest string, err error) {
	end := strings.IndexAny(text, ",=")
	if end < 0 {
		return text, nil, "", nil
	}
	name, rest = text[:end], text[end:]
	if quoted, ok := strings.CutPrefix(rest, `="`); ok {
		var content strings.Builder
		i := 0
		for ; i < len(quoted) && quoted[i] != '"'; i++ {
			if quoted[i] == '\\' && i+1 < len(quoted) && quoted[i+1] == '"' {
				i++
			}
			content.WriteByte(quoted[i])
		}
		if i == len(quoted) {
			return "", nil, "", fmt.Errorf("%s has a quote that doesn't end", name)
		}
		text := content.String()
		value, rest = &text, quoted[i+1:]
	}
	switch {
	case rest == "":
	case strings.HasPrefix(rest, ",") && len(rest) > 1:
		rest = rest[1:]
	case strings.HasPrefix(rest, "=") && value == nil:
		return "", nil, "", fmt.Errorf(`%s needs a value in double quotes: %s="..."`, name, name)
	default:
		return "", nil, "", fmt.Errorf("%q after %s", rest, name)
	}
	return name, value, rest, nil
}

// parseTimestamp reads YYYYMMDD or YYYYMMDDHHMM[SS], with or without a Z. ssh-keygen
// reads one without Z in the zone of the machine; the same commit must get the same
// verdict on every machine, so here it is UTC as well.
func parseTimestamp(text string) (time.Time, error) {
	digits := strings.TrimSuffix(strings.TrimSuffix(text, "Z"), "z")
	for _, layout := range []string{"20060102", "200601021504", "20060102150405"} {
		if len(layout) != len(digits) {
			continue
		}
		if at, err := time.Parse(layout, digits); err == nil {
			return at, nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is no time of the form YYYYMMDD[Z] or YYYYMMDDHHMM[SS][Z]", text)
}
