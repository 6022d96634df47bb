package metrics

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

var (
	// selector is a metric of ours with its label matchers, if it has any.
	selector = regexp.MustCompile(`\b(` + Prefix + `[a-z0-9_]+)\s*(\{[^}]*\})?`)
	matcher  = regexp.MustCompile(`([a-zA-Z_][a-zA-Z0-9_]*)\s*(?:=~|!~|!=|=)\s*"`)
	grouping = regexp.MustCompile(`\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)`)
)

// Use is a metric that a query asks for, by the name under which it is declared.
type Use struct {
	Name   string
	Labels []string // that it is selected by
}

// Used reads which metrics of ours a query asks for, and by which labels it groups. It is no parser of PromQL: whether
// the query is one is promtool's to say.
func Used(query string) (uses []Use, groups []string) {
	for _, match := range selector.FindAllStringSubmatch(query, -1) {
		use := Use{Name: match[1]}
		for _, label := range matcher.FindAllStringSubmatch(match[2], -1) {
			use.Labels = append(use.Labels, label[1])
		}
		uses = append(uses, use)
	}
	for _, match := range grouping.FindAllStringSubmatch(query, -1) {
		for label := range strings.SplitSeq(match[1], ",") {
			if label = strings.TrimSpace(label); label != "" {
				groups = append(groups, label)
			}
		}
	}
	return uses, groups
}

// Check says what a query asks for that isn't declared: a metric, or a label of one. Of the labels of the target, which
// Prometheus adds, a query may group by those named.
func Check(query string, declared []Metric, target ...string) error {
	uses, groups := Used(query)
	if len(uses) == 0 {
		return fmt.Errorf("%s: asks for no metric of ours", query)
	}
	may := slices.Clone(target)
	for _, use := range uses {
		m, ok := find(use.Name, declared)
		if !ok {
			return fmt.Errorf("%s: there is no metric %s", query, use.Name)
		}
		labels := m.Labels
		if m.Name != use.Name { // a part of a histogram
			labels = append(slices.Clone(labels), "le")
		}
		for _, label := range use.Labels {
			if !slices.Contains(labels, label) {
				return fmt.Errorf("%s: %s has no label %s, only %v", query, use.Name, label, labels)
			}
		}
		may = append(may, labels...)
	}
	for _, label := range groups {
		if !slices.Contains(may, label) {
			return fmt.Errorf("%s: groups by %s, which none of its metrics has", query, label)
		}
	}
	return nil
}

// find finds the metric that a name in a query stands for: its own, or a part of a histogram.
func find(name string, declared []Metric) (Metric, bool) {
	for _, m := range declared {
		if m.Name == name && m.Type != "histogram" {
			return m, true
		}
		for _, part := range []string{"_bucket", "_sum", "_count"} {
			if m.Type == "histogram" && m.Name+part == name {
				return m, true
			}
		}
	}
	return Metric{}, false
}
