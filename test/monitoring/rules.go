package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/gitlatch/gitlatch/test/metrics"
)

const ruleHead = `# Generated from rules.yaml by ` + "`make generate`" + `.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: gitlatch
  namespace: gitlatch-system
  labels:
    app.kubernetes.io/name: gitlatch
    app.kubernetes.io/part-of: gitlatch
spec:
`

// prometheusRule is the file of rules as the operator takes it: the same text, deeper by two.
func prometheusRule() ([]byte, error) {
	content, err := os.ReadFile(filepath.Join(monitoring, "rules.yaml"))
	if err != nil {
		return nil, err
	}
	at := bytes.Index(content, []byte("\ngroups:\n"))
	if at < 0 {
		return nil, fmt.Errorf("reading rules.yaml: it has no groups")
	}
	var out strings.Builder
	out.WriteString(ruleHead)
	for line := range strings.Lines(string(content[at+1:])) {
		if strings.TrimSpace(line) != "" {
			out.WriteString("  ")
		}
		out.WriteString(line)
	}
	return []byte(out.String()), nil
}

// reference is the page of the metrics.
func reference() ([]byte, error) {
	declared, err := metrics.Declared(".")
	if err != nil {
		return nil, err
	}
	var out strings.Builder
	out.WriteString("<!-- Generated from what the source declares by `make generate`. -->\n# Metrics\n\n")
	out.WriteString("Each command serves them at `--metrics-bind-address`, path `/metrics`, beside those of Go and controller-runtime. No user and\n" +
		"no object is a label. One whose labels have no values yet isn't shown: it appears with the first.\n\n")
	out.WriteString("| metric | type | labels | |\n|---|---|---|---|\n")
	for _, m := range declared {
		labels := "-"
		if len(m.Labels) > 0 {
			labels = "`" + strings.Join(m.Labels, "`, `") + "`"
		}
		fmt.Fprintf(&out, "| `%s` | %s | %s | %s |\n", m.Name, m.Type, labels, strings.ReplaceAll(m.Help, "|", `\|`))
	}
	return []byte(out.String()), nil
}
