package desired

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"path"
	"strings"

	kjson "sigs.k8s.io/json"
)

func jsonFile(name string) bool { return strings.EqualFold(path.Ext(name), ".json") }

// contentOfJSON reads an object; whole numbers stay whole, and keys in duplicate are
// refused.
func contentOfJSON(text []byte) (map[string]any, error) {
	var content map[string]any
	strict, err := kjson.UnmarshalStrict(text, &content)
	if err != nil {
		return nil, errors.New("is not a JSON object")
	}
	if len(strict) > 0 {
		return nil, strict[0]
	}
	return content, nil
}

// declaredInJSON reads a file of one or more JSON objects, one after the other.
func declaredInJSON(file string, content []byte) ([]Object, error) {
	decoder := json.NewDecoder(bytes.NewReader(content))
	var objects []Object
	for number := 1; ; number++ {
		from := decoder.InputOffset()
		rest := content[from:]
		from += int64(len(rest) - len(bytes.TrimLeft(rest, " \t\r\n")))
		line := 1 + bytes.Count(content[:from], []byte("\n"))
		var raw json.RawMessage
		err := decoder.Decode(&raw)
		if errors.Is(err, io.EOF) {
			return objects, nil
		}
		if err != nil {
			return objects, broken(file, number, line, syntaxAt(content, err))
		}
		one, err := contentOfJSON(raw)
		if err != nil {
			return objects, broken(file, number, line, err)
		}
		found, err := objectsOf(file, number, line, one)
		if err != nil {
			return objects, err
		}
		objects = append(objects, found...)
	}
}

// syntaxAt says on which line JSON is broken.
func syntaxAt(content []byte, err error) error {
	if syntax := (*json.SyntaxError)(nil); errors.As(err, &syntax) && syntax.Offset <= int64(len(content)) {
		line := 1 + bytes.Count(content[:syntax.Offset], []byte("\n"))
		return &lineError{line: line, text: "is not JSON"}
	}
	return errors.New("ends in the middle of a JSON value")
}
