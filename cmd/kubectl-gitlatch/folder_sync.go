package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	kyaml "k8s.io/apimachinery/pkg/util/yaml"
	kjson "sigs.k8s.io/json"
	"sigs.k8s.io/yaml"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/applier/live"
)

// readSyncFile reads the GitSyncs of a file, "-" for standard input.
func readSyncFile(file string, stdin io.Reader) ([]v1alpha1.GitSync, error) {
	if file == "-" {
		return readSyncs("standard input", stdin)
	}
	opened, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("opening the syncs: %w", err)
	}
	defer func() { _ = opened.Close() }() // read only: nothing to lose
	return readSyncs(file, opened)
}

// readSyncs reads GitSyncs strictly, and leaves out documents of other kinds. A sync
// without a namespace is in that of Gitlatch.
func readSyncs(where string, source io.Reader) ([]v1alpha1.GitSync, error) {
	documents := kyaml.NewYAMLReader(bufio.NewReader(source))
	var found []v1alpha1.GitSync
	for number := 1; ; number++ {
		document, err := documents.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("%s: document %d: %w", where, number, err)
		}
		sync, err := readSync(document)
		if err != nil {
			return nil, fmt.Errorf("%s: document %d: %w", where, number, err)
		}
		if sync != nil {
			found = append(found, *sync)
		}
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("%s: it holds no GitSync", where)
	}
	return found, nil
}

// readSync is nil for a document of another kind.
func readSync(document []byte) (*v1alpha1.GitSync, error) {
	var head struct {
		APIVersion string `json:"apiVersion"`
		Kind       string `json:"kind"`
	}
	if err := yaml.Unmarshal(document, &head); err != nil {
		return nil, clean(err)
	}
	if head.APIVersion != v1alpha1.GroupVersion.String() || head.Kind != "GitSync" {
		return nil, nil
	}
	sync := &v1alpha1.GitSync{}
	data, err := yaml.YAMLToJSONStrict(document)
	if err != nil {
		return nil, clean(err)
	}
	strict, err := kjson.UnmarshalStrict(data, sync)
	if err := errors.Join(append(strict, err)...); err != nil {
		return nil, clean(err)
	}
	if sync.Name == "" {
		return nil, errors.New("metadata.name: required")
	}
	if sync.Namespace == "" {
		sync.Namespace = syncNamespace
	}
	if err := live.CheckIgnore(sync.Spec.Ignore); err != nil {
		return nil, err
	}
	return sync, nil
}

// clean takes the names of libraries off an error's text.
func clean(err error) error {
	text := strings.Join(strings.Fields(err.Error()), " ")
	for _, prefix := range []string{"error converting YAML to JSON: ", "error unmarshaling JSON: while decoding JSON: ", "json: ", "yaml: ", "unmarshal errors: "} {
		text = strings.TrimPrefix(text, prefix)
	}
	return errors.New(text)
}
