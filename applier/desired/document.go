package desired

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"

	utiljson "k8s.io/apimachinery/pkg/util/json"
	"sigs.k8s.io/yaml"
)

// A document is one YAML document of a file.
type document struct {
	number int // from 1, empty ones not counted
	line   int // of the file, where it begins, from 1
	text   []byte
}

// separator begins a document: three dashes at the start of a line, alone or before a
// space (YAML 1.2, 9.1.2). Helm takes what follows them at once for content.
var (
	separator       = regexp.MustCompile(`(?m)^---(?:[ \t\r]|$)`)
	looserSeparator = regexp.MustCompile(`(?m)^---`)
)

// documents splits a file. Documents of comments alone are left out.
func documents(content []byte, between *regexp.Regexp) []document {
	var found []document
	line, from := 1, 0
	add := func(to int) {
		text := content[from:to]
		if !blank(text) {
			found = append(found, document{number: len(found) + 1, line: line, text: text})
		}
		line += bytes.Count(text, []byte("\n"))
		from = to
	}
	for _, at := range between.FindAllIndex(content, -1) {
		add(at[0])
		from += len("---")
	}
	add(len(content))
	return found
}

// blank tells a document that says nothing: comments, directives and end marks.
func blank(text []byte) bool {
	for line := range bytes.Lines(text) {
		trimmed := bytes.TrimSpace(line)
		if len(trimmed) > 0 && trimmed[0] != '#' && line[0] != '%' && !bytes.Equal(trimmed, []byte("...")) {
			return false
		}
	}
	return true
}

// content reads a document as the API server would be sent it: keys in duplicate and
// what would grow out of all proportion are refused, nothing else is nil.
func (d document) content(in *reader, file string) (map[string]any, error) {
	if first := bytes.TrimSpace(d.text); len(first) > 0 && first[0] == '{' && json.Valid(first) {
		return contentOfJSON(first)
	}
	size, err := inspect(d.text, d.line)
	if err != nil {
		return nil, err
	}
	if err := in.spend(file, size-len(d.text)); err != nil {
		return nil, err
	}
	raw, err := yaml.YAMLToJSON(d.text)
	if err != nil { // its words may quote a value
		return nil, errors.New("holds a key or a value that can't be written as JSON")
	}
	var content any
	if err := utiljson.Unmarshal(raw, &content); err != nil {
		return nil, errors.New("holds a value that can't be read back from JSON")
	}
	if content == nil {
		return nil, nil
	}
	object, ok := content.(map[string]any)
	if !ok {
		return nil, errors.New("is not a Kubernetes object: it is not keys and values")
	}
	return object, nil
}

// declared reads every object of a file. All that is wrong with it is returned, an
// *[Error] each.
func declared(in *reader, file string, content []byte, between *regexp.Regexp) ([]Object, error) {
	if jsonFile(file) {
		return declaredInJSON(file, content)
	}
	var objects []Object
	var wrong []error
	for _, d := range documents(content, between) {
		found, err := d.objects(in, file)
		objects = append(objects, found...)
		if err != nil {
			wrong = append(wrong, err)
		}
	}
	return objects, errors.Join(wrong...)
}

func (d document) objects(in *reader, file string) ([]Object, error) {
	content, err := d.content(in, file)
	if typed := (*Error)(nil); errors.As(err, &typed) {
		return nil, err
	}
	if err != nil {
		return nil, broken(file, d.number, d.line, err)
	}
	if content == nil {
		return nil, nil
	}
	return objectsOf(file, d.number, d.line, content)
}

func objectsOf(file string, number, line int, content map[string]any) ([]Object, error) {
	found, err := unpack(content, 0)
	if err != nil {
		return nil, broken(file, number, line, err)
	}
	objects := make([]Object, 0, len(found))
	for _, o := range found {
		objects = append(objects, Object{Unstructured: o, Source: file})
	}
	return objects, nil
}

// broken is the error of one document of a file. An error that knows its line says so
// itself.
func broken(file string, number, line int, err error) error {
	if at := (*lineError)(nil); errors.As(err, &at) {
		return &Error{Reason: ReasonDocument, File: file, Err: fmt.Errorf("document %d, %w", number, err)}
	}
	return &Error{Reason: ReasonDocument, File: file, Err: fmt.Errorf("document %d, line %d: %w", number, line, err)}
}
