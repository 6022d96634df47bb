package applier

import (
	"strings"
	"testing"
)

func TestAnErrorOfSeveralLinesIsOneLineInACondition(t *testing.T) {
	for text, want := range map[string]string{
		"":                                "",
		"one thing is wrong":              "one thing is wrong",
		"a.yaml: wrong\nb.yaml:  wrong\n": "a.yaml: wrong; b.yaml: wrong",
		"the chart says:\n\n  - no\n":     "the chart says: - no",
		"denied.\n  policy: cluster\n":    "denied. policy: cluster",
		"not \xff text":                   "not \uFFFD text",
		strings.Repeat("x", 2000):         strings.Repeat("x", maxMessage-len("…")) + "…",
	} {
		if got := oneLine(text); got != want {
			t.Errorf("%q became %q, not %q", text, got, want)
		}
	}
}
