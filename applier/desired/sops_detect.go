package desired

import (
	"bytes"
	"encoding/json"
	"path"
	"regexp"
	"strings"

	"github.com/getsops/sops/v3"
	"github.com/getsops/sops/v3/config"
	"github.com/getsops/sops/v3/stores"
	sopsdotenv "github.com/getsops/sops/v3/stores/dotenv"
	sopsini "github.com/getsops/sops/v3/stores/ini"
	sopsjson "github.com/getsops/sops/v3/stores/json"
	sopsyaml "github.com/getsops/sops/v3/stores/yaml"
	"go.yaml.in/yaml/v3"
)

// sopsFormat is how an encrypted file is written. The zero value: it is not encrypted.
type sopsFormat string

const (
	sopsNone   sopsFormat = ""
	sopsYAML   sopsFormat = "YAML"
	sopsJSON   sopsFormat = "JSON"
	sopsDotenv sopsFormat = "dotenv"
	sopsINI    sopsFormat = "INI"
	sopsBinary sopsFormat = "binary"
)

var (
	dotenvMetadata = regexp.MustCompile(`(?m)^` + stores.SopsPrefix + `(mac|lastmodified)=`)
	iniSection     = regexp.MustCompile(`(?m)^[ \t]*\[` + stores.SopsMetadataKey + `\][ \t]*\r?$`)
	iniMetadata    = regexp.MustCompile(`(?m)^[ \t]*(mac|lastmodified)[ \t]*=`)
)

// detect tells the format of an encrypted file by the metadata that SOPS left in it. The
// name only decides between formats that the content leaves open, as SOPS's own
// command does: a .json file with one key "data" may be either.
func detect(name string, content []byte) sopsFormat {
	if !bytes.Contains(content, []byte(stores.SopsMetadataKey)) {
		return sopsNone
	}
	if json.Valid(content) {
		return detectJSON(name, content)
	}
	for _, node := range yamlNodes(content) {
		if yamlHasMetadata(node) {
			return sopsYAML
		}
	}
	switch {
	case dotenvMetadata.Match(content) && isDotenv(content):
		return sopsDotenv
	case iniSection.Match(content) && iniMetadata.Match(content):
		return sopsINI
	}
	return sopsNone
}

// isDotenv tells a dotenv file from a text that quotes one.
func isDotenv(content []byte) bool {
	_, err := sopsDotenv.store().LoadPlainFile(content)
	return err == nil
}

func detectJSON(name string, content []byte) sopsFormat {
	var top map[string]json.RawMessage
	var metadata map[string]json.RawMessage
	if json.Unmarshal(content, &top) != nil || json.Unmarshal(top[stores.SopsMetadataKey], &metadata) != nil {
		return sopsNone
	}
	if !isMetadata(func(key string) bool { _, ok := metadata[key]; return ok }) {
		return sopsNone
	}
	switch strings.ToLower(path.Ext(name)) {
	case ".json":
		return sopsJSON
	case ".yaml", ".yml":
		return sopsYAML
	}
	if _, data := top["data"]; data && len(top) == 2 {
		return sopsBinary
	}
	return sopsJSON
}

// isMetadata tells SOPS's metadata from somebody's settings that are called "sops". The
// MAC alone is not enough to go by: somebody may have taken it out.
func isMetadata(has func(key string) bool) bool {
	return has("mac") || has("lastmodified")
}

func yamlHasMetadata(node *yaml.Node) bool {
	metadata := yamlValue(node, stores.SopsMetadataKey)
	return metadata != nil && isMetadata(func(key string) bool { return yamlValue(metadata, key) != nil })
}

// yamlValue is the value under a key of a mapping, nil where there is none.
func yamlValue(node *yaml.Node, key string) *yaml.Node {
	if node.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(node.Content); i += 2 {
		if node.Content[i].Value == key {
			return node.Content[i+1]
		}
	}
	return nil
}

// yamlNodes is the root node of each document, up to the first that can't be read.
func yamlNodes(content []byte) (nodes []*yaml.Node) {
	// The parser has panicked on broken input before; such a document can't be read.
	defer func() { _ = recover() }()
	decoder := yaml.NewDecoder(bytes.NewReader(content))
	for {
		document := &yaml.Node{}
		if decoder.Decode(document) != nil {
			return nodes
		}
		if document.Kind == yaml.DocumentNode && len(document.Content) == 1 {
			nodes = append(nodes, document.Content[0])
		}
	}
}

// yamlHasAlias tells whether a document refers to itself. SOPS writes none, and its
// reader follows them without end.
func yamlHasAlias(node *yaml.Node) bool {
	if node.Kind == yaml.AliasNode {
		return true
	}
	for _, child := range node.Content {
		if yamlHasAlias(child) {
			return true
		}
	}
	return false
}

// store is SOPS's reader and writer of the format.
func (f sopsFormat) store() sops.Store {
	c := config.NewStoresConfig()
	switch f {
	case sopsYAML:
		return sopsyaml.NewStore(&c.YAML)
	case sopsDotenv:
		return sopsdotenv.NewStore(&c.Dotenv)
	case sopsINI:
		return sopsini.NewStore(&c.INI)
	case sopsBinary:
		return sopsjson.NewBinaryStore(&c.JSONBinary)
	}
	return sopsjson.NewStore(&c.JSON)
}
