package alert

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// oneLine makes a text that a user may have chosen into one line of at most so many
// characters: no control character, nothing that turns the direction of writing.
func oneLine(s string, most int) string {
	var b strings.Builder
	written, space := 0, false
	for _, r := range strings.ToValidUTF8(s, "\uFFFD") {
		switch {
		case unicode.IsSpace(r) || unicode.IsControl(r):
			space = b.Len() > 0
			continue
		case unicode.Is(unicode.Cf, r):
			continue
		}
		if space {
			b.WriteByte(' ')
			written, space = written+1, false
		}
		if written >= most-1 {
			b.WriteString("…")
			return b.String()
		}
		b.WriteRune(r)
		written++
	}
	return b.String()
}

// slackEscapes are the three that Slack asks for ("Formatting text for app surfaces",
// docs.slack.dev).
var slackEscapes = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")

// mentions wake a whole channel, in Slack only inside <!…>, in what takes its shape as
// plain words.
var mentions = strings.NewReplacer("@channel", "@\u200bchannel", "@here", "@\u200bhere",
	"@everyone", "@\u200beveryone", "@all", "@\u200ball")

// slackText escapes a text and cuts it, not within an entity, at so many bytes.
func slackText(s string, most int) string {
	return cutEscaped(slackEscapes.Replace(mentions.Replace(strings.ToValidUTF8(s, "\uFFFD"))), most)
}

func cutEscaped(s string, most int) string {
	if len(s) <= most {
		return s
	}
	end := max(most-len("…"), 0)
	for end > 0 && !utf8.RuneStart(s[end]) {
		end--
	}
	if open := strings.LastIndexByte(s[:end], '&'); open >= 0 && !strings.Contains(s[open:end], ";") {
		end = open
	}
	return s[:end] + "…"
}

// cut keeps so many bytes of a text.
func cut(s string, most int) string {
	if len(s) <= most {
		return s
	}
	end := max(most-len("…"), 0)
	for end > 0 && !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + "…"
}
