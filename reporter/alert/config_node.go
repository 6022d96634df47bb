package alert

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// node is a place in the file: what stands there, and how to find it.
type node struct {
	*yaml.Node
	path string
}

// wrong is an error at this place. It shows no value: some are secret.
func (n node) wrong(format string, args ...any) error {
	path := n.path
	if path == "" {
		path = "the file"
	}
	return fmt.Errorf("line %d: %s: %s", max(n.Line, 1), path, fmt.Sprintf(format, args...))
}

func (n node) is(kind yaml.Kind, name string) error {
	if n.Kind != kind {
		return n.wrong("must be %s", name)
	}
	return nil
}

// fields reads a mapping whose keys are these and no others, each at most once.
func (n node) fields(known map[string]func(node) error) error {
	if err := n.is(yaml.MappingNode, "a mapping"); err != nil {
		return err
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		at := node{n.Content[i+1], strings.TrimPrefix(n.path+"."+oneLine(key.Value, 64), ".")}
		read, ok := known[key.Value]
		switch {
		case key.Kind != yaml.ScalarNode || !ok:
			return node{key, at.path}.wrong("there is no such field")
		case seen[key.Value]:
			return node{key, at.path}.wrong("stands there twice")
		}
		seen[key.Value] = true
		if err := read(at); err != nil {
			return err
		}
	}
	return nil
}

// items reads a list.
func (n node) items(most int, each func(node) error) error {
	if err := n.is(yaml.SequenceNode, "a list"); err != nil {
		return err
	}
	if len(n.Content) > most {
		return n.wrong("has %d entries, and may have %d", len(n.Content), most)
	}
	for i, item := range n.Content {
		if err := each(node{item, fmt.Sprintf("%s[%d]", n.path, i)}); err != nil {
			return err
		}
	}
	return nil
}

// text reads a string that is not empty; what YAML takes for a number or a boolean is a
// mistake.
func text(into *string) func(node) error {
	return func(n node) error {
		if n.Kind != yaml.ScalarNode || n.ShortTag() != "!!str" {
			return n.wrong("must be a string; quote it")
		}
		if n.Value == "" {
			return n.wrong("must not be empty; leave it out instead")
		}
		*into = n.Value
		return nil
	}
}

func number(into *int, least, most int) func(node) error {
	return func(n node) error {
		value, err := strconv.Atoi(n.Value)
		if n.Kind != yaml.ScalarNode || n.ShortTag() != "!!int" || err != nil || value < least || value > most {
			return n.wrong("must be a whole number from %d to %d", least, most)
		}
		*into = value
		return nil
	}
}

func moment(into *time.Time) func(node) error {
	return func(n node) error {
		value, err := time.Parse(time.RFC3339, n.Value)
		if n.Kind != yaml.ScalarNode || err != nil {
			return n.wrong("must be a time such as 2026-01-31T14:00:00Z")
		}
		*into = value
		return nil
	}
}

// oneOf reads a string that is one of these.
func oneOf[T ~string](into *T, values ...T) func(node) error {
	return func(n node) error {
		var names []string
		for _, value := range values {
			if n.Kind == yaml.ScalarNode && n.Value == string(value) {
				*into = value
				return nil
			}
			names = append(names, string(value))
		}
		return n.wrong("must be one of %s", strings.Join(names, ", "))
	}
}
