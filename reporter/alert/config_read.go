package alert

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

// ReadConfig reads the file of receivers, strictly: what would be ignored is not what
// was meant. Files that it names are looked for beside it, in dir. An error is one line
// that names the line and the field, and no value.
func ReadConfig(data []byte, dir string) (*Config, error) {
	if len(data) > maxConfig {
		return nil, fmt.Errorf("the file has %d bytes, and may have %d", len(data), maxConfig)
	}
	documents := yaml.NewDecoder(bytes.NewReader(data))
	var document yaml.Node
	if err := documents.Decode(&document); errors.Is(err, io.EOF) {
		return nil, errors.New("line 1: receivers: required; receivers: [] is none")
	} else if err != nil {
		return nil, syntax(err)
	}
	if err := documents.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return nil, errors.New("there is more than one document in the file")
	}
	if len(document.Content) != 1 {
		return nil, errors.New("line 1: receivers: required; receivers: [] is none")
	}
	root := node{document.Content[0], ""}
	config, listed := &Config{}, false
	err := root.fields(map[string]func(node) error{
		"cluster": text(&config.Cluster),
		"receivers": func(n node) error {
			listed = true
			return n.items(maxReceivers, func(n node) error { return config.add(n, dir) })
		},
	})
	if err == nil && !listed {
		err = node{root.Node, "receivers"}.wrong("required; receivers: [] is none")
	}
	if err != nil {
		return nil, err
	}
	return config, nil
}

// syntax keeps the line of a YAML error. The rest may quote the file.
func syntax(err error) error {
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	if line, _, ok := strings.Cut(text, ":"); ok && strings.HasPrefix(line, "line ") {
		return fmt.Errorf("%s: this is not YAML", oneLine(line, 32))
	}
	return errors.New("this is not YAML")
}

func (c *Config) add(n node, dir string) error {
	r := Receiver{}
	err := n.fields(map[string]func(node) error{
		"name":            text(&r.Name),
		"type":            oneOf(&r.Type, Alertmanager, Slack, CloudEvents),
		"url":             checkedURL(&r.URL),
		"urlFile":         file(&r.URLFile, dir),
		"headers":         func(n node) error { return n.items(16, func(n node) error { return r.addHeader(n, dir) }) },
		"bearerTokenFile": file(&r.BearerTokenFile, dir),
		"caFile":          file(&r.CAFile, dir),
		"certFile":        file(&r.CertFile, dir),
		"keyFile":         file(&r.KeyFile, dir),
		"outcomes":        r.addOutcomes,
		"namespaces":      r.addNamespaces,
		"denied":          oneOf(&r.Denied, DeniedAll, DeniedNewRequester),
		"perMinute":       number(&r.PerMinute, 1, mostPerMinute),
		"since":           moment(&r.Since),
	})
	if err != nil {
		return err
	}
	if err := r.complete(n); err != nil {
		return err
	}
	if slices.ContainsFunc(c.Receivers, func(other Receiver) bool { return other.Name == r.Name }) {
		return n.wrong("there is a receiver of this name already")
	}
	r.setDefaults()
	c.Receivers = append(c.Receivers, r)
	return nil
}

// complete says what is missing, or doesn't go together.
func (r *Receiver) complete(n node) error {
	at := func(field string) node { return node{n.Node, n.path + "." + field} }
	switch {
	case r.Name == "":
		return at("name").wrong("required")
	case len(validation.IsDNS1123Label(r.Name)) > 0:
		return at("name").wrong("must be lower-case letters, digits and '-', at most 63, such as oncall")
	case r.Type == "":
		return at("type").wrong("required: one of %s, %s, %s", Alertmanager, Slack, CloudEvents)
	case (r.URL == "") == (r.URLFile == ""):
		return at("url").wrong("one of url and urlFile is required")
	case (r.CertFile == "") != (r.KeyFile == ""):
		return at("certFile").wrong("certFile and keyFile go together")
	}
	return nil
}

func (r *Receiver) addHeader(n node, dir string) error {
	h := Header{}
	err := n.fields(map[string]func(node) error{
		"name": text(&h.Name), "value": text(&h.Value), "valueFile": file(&h.ValueFile, dir),
	})
	at := func(field string) node { return node{n.Node, n.path + "." + field} }
	switch {
	case err != nil:
		return err
	case !headerName.MatchString(h.Name):
		return at("name").wrong("must be the name of a header")
	case (h.Value == "") == (h.ValueFile == ""):
		return at("value").wrong("one of value and valueFile is required")
	case !headerValue(h.Value):
		return at("value").wrong("must be one line")
	case slices.Contains([]string{"Content-Type", "Content-Length", "Host", idHeader}, http.CanonicalHeaderKey(h.Name)):
		return at("name").wrong("is set by Gitlatch")
	case http.CanonicalHeaderKey(h.Name) == "Authorization" && r.BearerTokenFile != "":
		return at("name").wrong("bearerTokenFile sets this header")
	}
	r.Headers = append(r.Headers, h)
	return nil
}

// headerName is a token of RFC 9110, section 5.6.2.
var headerName = regexp.MustCompile("^[-!#$%&'*+.^_`|~0-9A-Za-z]+$")

// headerValue tells what may stand in a header.
func headerValue(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f })
}

func (r *Receiver) addOutcomes(n node) error {
	r.Outcomes = []v1alpha1.Outcome{}
	return n.items(6, func(n node) error {
		var outcome v1alpha1.Outcome
		err := oneOf(&outcome, append(outcomesByDefault(), v1alpha1.OutcomeDrift)...)(n)
		r.Outcomes = append(r.Outcomes, outcome)
		return err
	})
}

func (r *Receiver) addNamespaces(n node) error {
	return n.items(1000, func(n node) error {
		var name string
		if err := text(&name)(n); err != nil {
			return err
		}
		if len(validation.IsDNS1123Label(name)) > 0 {
			return n.wrong("must be the name of a namespace")
		}
		r.Namespaces = append(r.Namespaces, name)
		return nil
	})
}

// file reads a path; one that is not absolute is beside the file of receivers.
func file(into *string, dir string) func(node) error {
	return func(n node) error {
		err := text(into)(n)
		if err == nil && !filepath.IsAbs(*into) {
			*into = filepath.Join(dir, *into)
		}
		return err
	}
}

func checkedURL(into *string) func(node) error {
	return func(n node) error {
		if err := text(into)(n); err != nil {
			return err
		}
		if _, err := parseURL(*into); err != nil {
			return n.wrong("%s", err)
		}
		return nil
	}
}

// parseURL says what is wrong with an address without repeating it.
func parseURL(address string) (*url.URL, error) {
	parsed, err := url.Parse(strings.TrimSpace(address))
	switch {
	case err != nil:
		return nil, errors.New("this is not a URL")
	case parsed.Scheme != "http" && parsed.Scheme != "https", parsed.Hostname() == "":
		return nil, errors.New("must be http:// or https:// and a host")
	case parsed.User != nil:
		return nil, errors.New("must not hold a user and password; use headers or bearerTokenFile")
	}
	return parsed, nil
}
