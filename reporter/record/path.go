package record

import (
	"encoding/json"

	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
)

// pathText writes a path of managedFields as the changes of a record have it, which
// is not how its own package does: a field whose name is no plain word stands in
// brackets, so that a path can be read back.
func pathText(p fieldpath.Path) string {
	var out []byte
	for _, e := range p {
		switch {
		case e.FieldName != nil && plainWord(*e.FieldName):
			out = append(append(out, '.'), *e.FieldName...)
		case e.FieldName != nil:
			out = append(append(append(out, '['), quoted(*e.FieldName)...), ']')
		case e.Key != nil:
			out = append(out, '[')
			for i, field := range *e.Key { // sorted by name
				if i > 0 {
					out = append(out, ',')
				}
				if plainWord(field.Name) {
					out = append(out, field.Name...)
				} else {
					out = append(out, quoted(field.Name)...)
				}
				out = append(append(out, '='), quoted(field.Value.Unstructured())...)
			}
			out = append(out, ']')
		case e.Value != nil:
			out = append(append(append(out, "[="...), quoted((*e.Value).Unstructured())...), ']')
		case e.Index != nil:
			out = append(append(append(out, '['), quoted(*e.Index)...), ']')
		}
	}
	return string(out)
}

// plainWord tells a name that needs no quotes in a path.
func plainWord(name string) bool {
	for _, c := range []byte(name) {
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '_' || c == '-' || c == '$') {
			return false
		}
	}
	return name != ""
}

func quoted(v any) []byte {
	raw, err := json.Marshal(v)
	if err != nil {
		return []byte("null")
	}
	return raw
}
