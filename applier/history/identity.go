package history

import (
	"bytes"
	"errors"
	"io"

	"go.yaml.in/yaml/v3"
)

// identity is what other resources can know of one.
type identity struct {
	Version  string `yaml:"apiVersion"`
	Kind     string `yaml:"kind"`
	Metadata struct {
		Name      string `yaml:"name"`
		Namespace string `yaml:"namespace"`
	} `yaml:"metadata"`
}

// identities of files by their hash; nil for one that can't be told.
type identities map[string][]identity

// maxIdentities bounds what is remembered at once.
const maxIdentities = 4096

// identify lists what a file declares, in order. nil when it can't be told for sure.
func (l *look) identify(hash string) ([]identity, error) {
	if found, ok := l.identities[hash]; ok {
		return found, nil
	}
	content, err := l.repository.Blob(hash)
	if err != nil {
		return nil, err
	}
	if len(l.identities) >= maxIdentities {
		clear(l.identities)
	}
	found := identify(content)
	l.identities[hash] = found
	return found, nil
}

func identify(content []byte) (found []identity) {
	// The parser has panicked on broken input before; then nothing is told.
	defer func() {
		if recover() != nil {
			found = nil
		}
	}()
	if ofKustomize(content) || bytes.Contains(content, []byte("<<")) {
		return nil
	}
	decoder := yaml.NewDecoder(bytes.NewReader(content))
	for {
		var one struct {
			identity `yaml:",inline"`
			Items    yaml.Node `yaml:"items"`
		}
		err := decoder.Decode(&one)
		if errors.Is(err, io.EOF) {
			return found
		}
		if err != nil || !one.Items.IsZero() || one.Kind == "" || one.Metadata.Name == "" {
			return nil
		}
		found = append(found, one.identity)
	}
}
