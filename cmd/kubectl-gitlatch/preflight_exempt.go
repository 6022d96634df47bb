package main

import (
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/labels"
)

// exempted names the namespaces, of those that are here, which a platform may take from
// every webhook.
func (p *preflighting) exempted() error {
	if p.rights == nil {
		return nil
	}
	for _, known := range knownPlatforms() {
		if !slices.Contains(p.report.Platforms, known.name) {
			continue
		}
		for _, ns := range p.rights.Namespaces {
			for _, e := range known.exempts {
				selector, err := labels.Parse(e.selector)
				if err != nil {
					return fmt.Errorf("reading what %s exempts: %w", known.name, err)
				}
				if selector.Matches(labels.Set(ns.Labels)) {
					p.report.add(preflightFinding{Severity: e.severity, Check: checkUnguarded, Subject: "namespace " + ns.Name,
						Message: fmt.Sprintf("%s (it has %s)", e.message, selector), Next: e.next})
					break
				}
			}
		}
	}
	return nil
}
