package desired

import (
	"bytes"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
	"helm.sh/helm/v4/pkg/chart/common"
	chart "helm.sh/helm/v4/pkg/chart/v2"
)

// schemaName is what a schema calls itself where its references begin with "#".
const schemaName = "file:///values.schema.json"

// fit checks the values by the schemas of the chart and those in it. Helm does too, but
// fetches what a schema refers to, and quotes values.
func (r rendering) fit(c *chart.Chart, values map[string]any, at chartPlace) error {
	if c.Schema != nil {
		file := path.Join(at.dir, "values.schema.json")
		if at.archive {
			file = at.dir
		}
		if err := fitOne(c.Schema, values); err != nil {
			return &Error{Reason: ReasonRender, File: file, Err: err}
		}
	}
	for _, inner := range c.Dependencies() {
		var theirs map[string]any
		switch v := values[inner.Name()].(type) {
		case map[string]any:
			theirs = v
		case common.Values:
			theirs = v
		default:
			continue
		}
		where, known := at.charts[inner.Name()]
		if !known {
			where = at
		}
		if err := r.fit(inner, theirs, where); err != nil {
			return err
		}
	}
	return nil
}

// sealed loads nothing: a schema may refer only to itself.
type sealed struct{}

func (sealed) Load(url string) (any, error) {
	return nil, fmt.Errorf("%s is not in the schema itself, and nothing is fetched while a commit is rendered", url)
}

func fitOne(schema []byte, values map[string]any) error {
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(schema))
	if err != nil {
		return fmt.Errorf("is not JSON: %w", err)
	}
	compiler := jsonschema.NewCompiler()
	compiler.UseLoader(sealed{})
	if err := compiler.AddResource(schemaName, document); err != nil {
		return fmt.Errorf("is not a schema: %w", err)
	}
	compiled, err := compiler.Compile(schemaName)
	if err != nil {
		return fmt.Errorf("is not a schema: %w", err)
	}
	if values == nil {
		values = map[string]any{}
	}
	err = compiled.Validate(values)
	if misfit := (*jsonschema.ValidationError)(nil); errors.As(err, &misfit) {
		return errors.New("does not take the values: " + strings.Join(misfits(misfit), "; "))
	}
	return err
}

// misfits says which values don't fit and why, without the values.
func misfits(e *jsonschema.ValidationError) []string {
	if len(e.Causes) > 0 {
		var all []string
		for _, cause := range e.Causes {
			all = append(all, misfits(cause)...)
		}
		slices.Sort(all)
		return slices.Compact(all)
	}
	at := strings.Join(e.InstanceLocation, ".")
	if at == "" {
		at = "the values"
	}
	switch k := e.ErrorKind.(type) {
	case *kind.Required:
		return []string{fmt.Sprintf("%s: missing %s", at, strings.Join(k.Missing, ", "))}
	case *kind.AdditionalProperties:
		return []string{fmt.Sprintf("%s: unknown %s", at, strings.Join(k.Properties, ", "))}
	case *kind.Type:
		return []string{fmt.Sprintf("%s: is %s, not %s", at, k.Got, strings.Join(k.Want, " or "))}
	}
	return []string{fmt.Sprintf("%s: %s", at, strings.Join(e.ErrorKind.KeywordPath(), "."))}
}

// conflict finds where one layer of values has a table and another has none, or "".
// Helm goes on, and writes the values of both to the log.
func conflict(c *chart.Chart, layers []map[string]any) string {
	layers = append(slices.Clone(layers), c.Values)
	if at := clash("", layers); at != "" {
		return at
	}
	for _, inner := range c.Dependencies() {
		names := []string{inner.Name()}
		for _, d := range c.Metadata.Dependencies {
			if d.Name == inner.Name() && d.Alias != "" {
				names = append(names, d.Alias)
			}
		}
		theirs := []map[string]any{globals(layers)}
		for _, layer := range layers {
			for _, name := range names {
				if one, ok := layer[name].(map[string]any); ok {
					theirs = append(theirs, one)
				}
			}
		}
		if at := conflict(inner, theirs); at != "" {
			return inner.Name() + "." + at
		}
	}
	return ""
}

// globals of all layers, as they reach the charts inside.
func globals(layers []map[string]any) map[string]any {
	merged := map[string]any{}
	for _, layer := range layers {
		if one, ok := layer[common.GlobalKey].(map[string]any); ok {
			for key, value := range one {
				if _, has := merged[key]; !has {
					merged[key] = value
				}
			}
		}
	}
	return map[string]any{common.GlobalKey: merged}
}

func clash(at string, layers []map[string]any) string {
	tables := map[string][]map[string]any{}
	other := map[string]bool{}
	for _, layer := range layers {
		for key, value := range layer {
			if table, ok := value.(map[string]any); ok {
				tables[key] = append(tables[key], table)
			} else if value != nil {
				other[key] = true
			}
		}
	}
	for key, inner := range tables {
		full := strings.TrimPrefix(at+"."+key, ".")
		if other[key] {
			return full
		}
		if found := clash(full, inner); found != "" {
			return found
		}
	}
	return ""
}
