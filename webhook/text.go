package webhook

import (
	"fmt"
	"strings"
	"time"
	"unicode"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/policy"
)

// Widths in bytes. API servers cut warnings that are longer than 120, and a
// terminal is hardly wider than 110.
const (
	denialWidth  = 110
	warningWidth = 120
	wordWidth    = 90 // of a name that somebody else chose
)

// denialText is what the person reads: the reason, the detail and the next step.
// Lines of which nothing is known are left out.
func denialText(req *policy.Request, d *policy.Decision, record string) string {
	lines := wrap(headline(d), "", "  ", denialWidth)
	lines = append(lines, detail(req, d, record, "  ", denialWidth)...)
	if d.Next != "" {
		lines = append(lines, wrap("next: "+clean(d.Next), "  ", "    ", denialWidth)...)
	}
	if e := d.Emergency; e != nil {
		lines = append(lines, wrap(fmt.Sprintf("emergency: annotate it %s=\"<reason>\" (group %s, at most %s)",
			v1alpha1.AnnotationBreakGlass, word(e.Group), shortDuration(e.Max)), "  ", "    ", denialWidth)...)
	}
	return strings.Join(lines, "\n")
}

// warnings says of an admitted write what a denial would have said, one line a
// warning: the API server drops a warning with a newline in it.
func warnings(req *policy.Request, d *policy.Decision, record string) []string {
	switch {
	case d.Action == policy.Flag && d.Opens != nil:
		return openedWarnings(d, record)
	case d.Action != policy.Flag || d.Mode != v1alpha1.ModeWarn || d.Record == v1alpha1.OutcomeBreakGlass:
		return nil
	}
	lines := wrap(headline(d), "", "", warningWidth)
	lines = append(lines, detail(req, d, record, "", warningWidth)...)
	if d.Next != "" {
		lines = append(lines, wrap("next: "+clean(d.Next), "", "", warningWidth)...)
	}
	return lines
}

// openedWarnings tells whoever breaks glass how long it stays broken.
func openedWarnings(d *policy.Decision, record string) []string {
	text := fmt.Sprintf("break-glass is open for you until %s; what you do is recorded and reviewed",
		d.Opens.Until.UTC().Format(time.RFC3339))
	if record != "" {
		text += " (record " + word(record) + ")"
	}
	return wrap(text, "", "", warningWidth)
}

func headline(d *policy.Decision) string {
	text := clean(d.Message)
	if text == "" {
		text = "the gate does not let this through"
	}
	if !strings.HasSuffix(text, ".") {
		text += "."
	}
	return string(d.Reason) + ": " + text
}

// detail is "policy: cluster    you: alice    record: cr-7f3k9q2m", on one line
// where it fits.
func detail(req *policy.Request, d *policy.Decision, record, indent string, width int) []string {
	const gap = "    "
	var lines []string
	line := ""
	for _, p := range [][2]string{{"policy", d.Policy}, {"you", req.User.Name}, {"record", record}} {
		if p[1] == "" {
			continue
		}
		part := p[0] + ": " + word(p[1])
		switch {
		case line == "":
			line = indent + part
		case len(line)+len(gap)+len(part) <= width:
			line += gap + part
		default:
			lines, line = append(lines, line), indent+part
		}
	}
	if line != "" {
		lines = append(lines, line)
	}
	return lines
}

// wrap breaks a text between words. A word that is longer than a line is cut
// into pieces, since a warning may not be.
func wrap(text, indent, hang string, width int) []string {
	var lines []string
	line := indent
	empty := true
	for _, w := range strings.Fields(text) {
		if !empty && len(line)+1+len(w) > width {
			lines = append(lines, line)
			line, empty = hang, true
		}
		if !empty {
			line += " "
		}
		for len(line)+len(w) > width {
			head, tail := cut(w, width-len(line))
			lines = append(lines, line+head)
			line, w = hang, tail
		}
		line, empty = line+w, false
	}
	if !empty {
		lines = append(lines, line)
	}
	return lines
}

// cut splits a word after at most n bytes, between runes.
func cut(w string, n int) (head, tail string) {
	at := 0
	for i := range w {
		if i > n {
			break
		}
		at = i
	}
	if at == 0 {
		at = len(w)
		for i := range w {
			if i > 0 {
				at = i
				break
			}
		}
	}
	return w[:at], w[at:]
}

// word is a name that somebody else chose, on one line and not too long.
func word(s string) string {
	s = clean(s)
	if len(s) <= wordWidth {
		return s
	}
	head, _ := cut(s, wordWidth-len("…"))
	return head + "…"
}

// clean takes out what would break a line, a terminal or an HTTP header.
func clean(s string) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == '\u2028' || r == '\u2029' || unicode.Is(unicode.Bidi_Control, r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD")))
}

// shortDuration is "1h" where Go says "1h0m0s".
func shortDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
