package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"go.yaml.in/yaml/v3"
	kyaml "k8s.io/apimachinery/pkg/util/yaml"
	kjson "sigs.k8s.io/json"
	yamljson "sigs.k8s.io/yaml"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

// located is a policy and where it was read.
type located struct {
	v1alpha1.ChangePolicy
	where string
}

// readPolicies reads ChangePolicy documents strictly: what the API server would
// drop or take twice is an error here, since it is not what was meant.
func readPolicies(files []string, stdin io.Reader) ([]located, error) {
	var all []located
	names := map[string]string{}
	for _, file := range files {
		found, err := readPolicyFile(file, stdin)
		if err != nil {
			return nil, err
		}
		for _, p := range found {
			if first, twice := names[p.Name]; twice {
				return nil, fmt.Errorf("%s: metadata.name: %q is a policy of %s already", p.where, p.Name, first)
			}
			names[p.Name] = p.where
		}
		all = append(all, found...)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("no ChangePolicy in %s", strings.Join(files, ", "))
	}
	return all, nil
}

func readPolicyFile(file string, stdin io.Reader) ([]located, error) {
	source := stdin
	if file == "-" {
		file = "standard input"
	} else {
		opened, err := os.Open(file)
		if err != nil {
			return nil, fmt.Errorf("opening the policy: %w", err)
		}
		defer func() { _ = opened.Close() }() // read only: nothing to lose
		source = opened
	}
	documents := kyaml.NewYAMLReader(bufio.NewReader(source))
	var found []located
	for number := 1; ; number++ {
		document, err := documents.Read()
		if errors.Is(err, io.EOF) {
			return found, nil
		}
		where := fmt.Sprintf("%s: document %d", file, number)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", where, err)
		}
		policies, err := readDocument(document, where)
		if err != nil {
			return nil, err
		}
		found = append(found, policies...)
	}
}

// readDocument reads one policy, a list of them as kubectl get prints it, or
// nothing from a document of comments.
func readDocument(document []byte, where string) ([]located, error) {
	var node yaml.Node
	if err := yaml.Unmarshal(document, &node); err != nil {
		return nil, fmt.Errorf("%s: %s", where, strings.TrimPrefix(err.Error(), "yaml: "))
	}
	if len(node.Content) == 0 {
		return nil, nil
	}
	if path := duplicate(node.Content[0], ""); path != "" {
		return nil, fmt.Errorf("%s: %s: duplicate field", where, path)
	}
	data, err := yamljson.YAMLToJSON(document)
	if err != nil {
		return nil, fmt.Errorf("%s: %s", where, strings.TrimPrefix(err.Error(), "yaml: "))
	}
	if bytes.Equal(bytes.TrimSpace(data), []byte("null")) {
		return nil, nil
	}
	var head struct {
		APIVersion string    `json:"apiVersion"`
		Kind       string    `json:"kind"`
		Items      []rawItem `json:"items"`
	}
	if err := kjson.UnmarshalCaseSensitivePreserveInts(data, &head); err != nil {
		return nil, fmt.Errorf("%s: not a Kubernetes object: %w", where, err)
	}
	if head.Kind == "List" || head.Kind == "ChangePolicyList" {
		var all []located
		for i, item := range head.Items {
			policies, err := readPolicy(item, fmt.Sprintf("%s: items[%d]", where, i))
			if err != nil {
				return nil, err
			}
			all = append(all, policies)
		}
		return all, nil
	}
	one, err := readPolicy(data, where)
	return []located{one}, err
}

func readPolicy(data []byte, where string) (located, error) {
	p := located{where: where}
	strict, err := kjson.UnmarshalStrict(data, &p.ChangePolicy)
	want := v1alpha1.GroupVersion.WithKind("ChangePolicy")
	if got := p.GroupVersionKind(); got != want && (err == nil || got.Kind != "") {
		return p, fmt.Errorf("%s: apiVersion %q, kind %q: want %s, %s", where, p.APIVersion, p.Kind, v1alpha1.GroupVersion, want.Kind)
	}
	if err != nil {
		return p, fmt.Errorf("%s: %s", where, strings.TrimPrefix(err.Error(), "json: "))
	}
	if len(strict) > 0 {
		texts := make([]string, len(strict))
		for i, err := range strict {
			texts[i] = err.Error()
		}
		return p, fmt.Errorf("%s: %s", where, strings.Join(texts, ", "))
	}
	if p.Name == "" {
		return p, fmt.Errorf("%s: metadata.name: required", where)
	}
	return p, nil
}

// rawItem keeps an item of a list as it stands.
type rawItem []byte

// UnmarshalJSON keeps the bytes.
func (m *rawItem) UnmarshalJSON(data []byte) error {
	*m = append((*m)[:0], data...)
	return nil
}

// duplicate returns the path of the first key that stands twice in a mapping;
// "" when none does.
func duplicate(node *yaml.Node, path string) string {
	switch node.Kind {
	case yaml.MappingNode:
		seen := map[string]bool{}
		for i := 0; i+1 < len(node.Content); i += 2 {
			key := node.Content[i].Value
			at := strings.TrimPrefix(path+"."+key, ".")
			if seen[key] {
				return at
			}
			seen[key] = true
			if found := duplicate(node.Content[i+1], at); found != "" {
				return found
			}
		}
	case yaml.SequenceNode:
		for i, item := range node.Content {
			if found := duplicate(item, fmt.Sprintf("%s[%d]", path, i)); found != "" {
				return found
			}
		}
	}
	return ""
}
