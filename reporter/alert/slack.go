package alert

import "strings"

// Limits of Slack: 3,000 characters of text in a section block. We count bytes, after
// escaping, which is at least as strict.
const mostSlack = 2900

type slackBody struct {
	Text   string       `json:"text"`
	Blocks []slackBlock `json:"blocks"`
}

type slackBlock struct {
	Type string        `json:"type"`
	Text slackTextPart `json:"text"`
}

type slackTextPart struct {
	Type string `json:"type"`
	Text string `json:"text"`
}

// slackMessage: text is what notifications and receivers without blocks show.
func slackMessage(n *notice) (message, error) {
	lines := make([]string, 0, len(n.lines))
	for _, line := range n.lines {
		if line.label == "review" {
			lines = append(lines, "*review*: `"+slackText(line.text, 200)+"`")
			continue
		}
		lines = append(lines, "*"+line.label+"*: "+slackText(line.text, 600))
	}
	return slackLines(n.id, slackText(n.title, 900), lines)
}

func slackDigest(d *digest) (message, error) {
	var lines []string
	for _, example := range d.examples() {
		lines = append(lines, slackText(example, 200))
	}
	lines = append(lines, "*list*: `"+slackText(d.review(), 200)+"`")
	return slackLines(d.id, slackText(d.title(), 600), lines)
}

// slackLines puts the lines, which are escaped, into one section. Where they don't fit,
// lines are left out before the last, which is the command.
func slackLines(id, title string, lines []string) (message, error) {
	last := lines[len(lines)-1]
	room := mostSlack - len("*") - len(title) - len("*\n") - len(last)
	var kept []string
	for _, line := range lines[:len(lines)-1] {
		if room -= len(line) + 1; room < 0 {
			break
		}
		kept = append(kept, line)
	}
	rest := strings.Join(append(kept, last), "\n")
	return encoded(id, "application/json", slackBody{
		Text:   title + "\n" + rest,
		Blocks: []slackBlock{{Type: "section", Text: slackTextPart{Type: "mrkdwn", Text: "*" + title + "*\n" + rest}}},
	})
}
