package main

import (
	"bytes"
	"fmt"
	"io"

	textdiff "github.com/rogpeppe/go-internal/diff"
	"sigs.k8s.io/yaml"
)

// printDifferences writes a unified diff for each object, from the cluster to git.
func printDifferences(out io.Writer, found []difference) error {
	for i := range found {
		text, err := found[i].unified()
		if err != nil {
			return fmt.Errorf("showing how %s differs: %w", found[i].Object, err)
		}
		if _, err := io.WriteString(out, text); err != nil {
			return err
		}
	}
	return nil
}

func (d *difference) unified() (string, error) {
	before, err := yamlOf(d.before)
	if err != nil {
		return "", err
	}
	after, err := yamlOf(d.after)
	if err != nil {
		return "", err
	}
	text := textdiff.Diff(side("live", d.before != nil), before, side("git", d.after != nil), after)
	_, text, _ = bytes.Cut(text, []byte("\n")) // the line that names the command
	title := map[string]string{actionCreate: "created", actionChange: "changed", actionPrune: "deleted"}[d.Action]
	heading := fmt.Sprintf("%s: %s", line(d.Object), title)
	if d.File != "" {
		heading += " (" + line(d.File) + ")"
	}
	if d.Owner != "" {
		heading = fmt.Sprintf("%s: the sync %s has it, so it is not touched (%s)", line(d.Object), line(d.Owner), line(d.File))
	}
	return heading + "\n" + string(text), nil
}

func side(name string, there bool) string {
	if there {
		return name
	}
	return "/dev/null"
}

// yamlOf is an object in YAML, which writes what is no text in escapes.
func yamlOf(object map[string]any) ([]byte, error) {
	if object == nil {
		return nil, nil
	}
	return yaml.Marshal(object)
}
