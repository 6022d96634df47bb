package desired

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"

	"go.yaml.in/yaml/v3"
	sigsyaml "sigs.k8s.io/yaml"
)

const (
	// maxDocument is how large one document may become with its anchors written out:
	// far more than the API server takes for an object, enough for a List of thousands.
	maxDocument = 32 << 20
	// maxNodes is how many values and keys one may then have: each takes far more
	// memory than it has text.
	maxNodes = 2_000_000
	// maxNesting is how deep one may be: far deeper than any schema of Kubernetes.
	maxNesting = 500
)

// lineError is what is wrong on one line of a file. It never quotes a value.
type lineError struct {
	line int
	text string
}

func (e *lineError) Error() string { return fmt.Sprintf("line %d: %s", e.line, e.text) }

// inspect judges a YAML document by its nodes, before anything is made of it: its
// syntax, keys in duplicate, and how large it is with its anchors written out, which is
// returned. line is the file's, where the document begins.
func inspect(text []byte, line int) (int, error) {
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	var node yaml.Node
	if err := decoder.Decode(&node); errors.Is(err, io.EOF) {
		return 0, nil
	} else if err != nil {
		return 0, syntax(text, err, line)
	}
	var next yaml.Node
	if err := decoder.Decode(&next); err == nil {
		return 0, &lineError{line: line + next.Line - 1, text: `another document begins without a line "---"`}
	} else if !errors.Is(err, io.EOF) {
		return 0, syntax(text, err, line)
	}
	i := inspection{line: line, known: map[*yaml.Node]extent{}}
	whole, err := i.measure(&node)
	return whole.size, err
}

// inspection walks the nodes of one document; what an anchor names is measured once.
type inspection struct {
	line  int
	known map[*yaml.Node]extent
}

// extent of a node with its aliases written out.
type extent struct{ size, nodes, depth int }

// pending marks a node that is being measured: an alias that reaches it contains
// itself.
const pending = -1

func (i inspection) measure(n *yaml.Node) (extent, error) {
	if n.Kind == yaml.AliasNode {
		return i.measureAlias(n)
	}
	if n.Anchor != "" {
		if e, ok := i.known[n]; ok {
			return e, nil
		}
		i.known[n] = extent{size: pending}
	}
	total := extent{size: len(n.Value) + 1, nodes: 1}
	if n.Kind == yaml.MappingNode {
		if err := i.duplicates(n); err != nil {
			return extent{}, err
		}
	}
	for _, child := range n.Content {
		e, err := i.measure(child)
		if err != nil {
			return extent{}, err
		}
		total.size += e.size
		total.nodes += e.nodes
		total.depth = max(total.depth, e.depth+1)
		if total.size > maxDocument {
			return extent{}, i.at(n, fmt.Sprintf("grows over %d MiB when its anchors are written out", maxDocument>>20))
		}
		if total.nodes > maxNodes {
			return extent{}, i.at(n, fmt.Sprintf("grows over %d values when its anchors are written out", maxNodes))
		}
		if total.depth > maxNesting {
			return extent{}, i.at(n, fmt.Sprintf("is nested more than %d deep", maxNesting))
		}
	}
	if n.Anchor != "" {
		i.known[n] = total
	}
	return total, nil
}

func (i inspection) measureAlias(n *yaml.Node) (extent, error) {
	if e, ok := i.known[n.Alias]; ok && e.size == pending {
		return extent{}, i.at(n, "an anchor contains itself")
	}
	return i.measure(n.Alias)
}

// duplicates refuses a mapping that holds a key twice: one of the two values would be
// dropped silently.
func (i inspection) duplicates(n *yaml.Node) error {
	seen := make(map[string]struct{}, len(n.Content)/2)
	for at := 0; at+1 < len(n.Content); at += 2 {
		key := n.Content[at]
		if key.Kind != yaml.ScalarNode || key.Tag == "!!merge" {
			continue
		}
		if _, twice := seen[key.Value]; twice {
			return i.at(key, fmt.Sprintf("the key %q is there twice", key.Value))
		}
		seen[key.Value] = struct{}{}
	}
	return nil
}

func (i inspection) at(n *yaml.Node, text string) error {
	return &lineError{line: i.line + n.Line - 1, text: text}
}

var (
	lineOf  = regexp.MustCompile(`^(?:error converting YAML to JSON: )?(?:yaml: )?(?:line (\d+): )?`)
	quoting = regexp.MustCompile("'[^']*'|`[^`]*`|\"[^\"]*\"")
	// ofParser are the errors whose line the library counts from zero.
	ofParser = regexp.MustCompile(`^did not find expected (key|'-'|',' or|node content|<)|^found (undefined tag handle|duplicate %|incompatible)`)
)

// syntax is the parser's error with the line of the file. The older parser is asked
// too, since it names the line of the problem and not that of the mapping around it. What
// is quoted is left out: it might be a password that looks like an alias.
func syntax(text []byte, err error, line int) error {
	_, older := sigsyaml.YAMLToJSON(append([]byte("\n"), text...)) // lines are left out of the first
	words := err.Error()
	if older != nil {
		words = older.Error()
	}
	match := lineOf.FindStringSubmatch(words)
	words = words[len(match[0]):]
	if within, err := strconv.Atoi(match[1]); err == nil {
		if older != nil && !ofParser.MatchString(words) {
			within--
		}
		line += within - 1
	}
	return &lineError{line: line, text: "is not YAML: " + quoting.ReplaceAllString(words, "...")}
}
