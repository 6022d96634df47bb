// Command reference writes docs/reference: a page for each kind, from its CRD, and for each command, from its help.
// `make generate` runs it.
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/yaml"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "reference:", err)
		os.Exit(1)
	}
}

func run() error {
	files, err := filepath.Glob("manifests/crds/gitlatch.dev_*.yaml")
	if err != nil {
		return err
	}
	if len(files) == 0 {
		return fmt.Errorf("reading the CRDs: none in manifests/crds; run this from the root of the repository")
	}
	if err := os.MkdirAll("docs/reference", 0o755); err != nil {
		return err
	}
	for _, file := range files {
		if err := page(file); err != nil {
			return fmt.Errorf("writing the reference of %s: %w", file, err)
		}
	}
	return commands()
}

func page(file string) error {
	content, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var crd apiextensionsv1.CustomResourceDefinition
	if err := yaml.UnmarshalStrict(content, &crd); err != nil {
		return err
	}
	version := crd.Spec.Versions[0]
	schema := version.Schema.OpenAPIV3Schema
	var out strings.Builder
	fmt.Fprintf(&out, "<!-- Generated from %s by `make generate`. -->\n# %s\n\n", file, crd.Spec.Names.Kind)
	fmt.Fprintf(&out, "`%s/%s`, %s.\n\n%s\n\n", crd.Spec.Group, version.Name, strings.ToLower(string(crd.Spec.Scope))+"-scoped", paragraph(schema.Description))
	out.WriteString("| field | type | |\n|---|---|---|\n")
	for _, name := range []string{"spec", "status"} {
		property := schema.Properties[name]
		row(&out, name, &property, slices.Contains(schema.Required, name))
	}
	return os.WriteFile(filepath.Join("docs/reference", strings.ToLower(crd.Spec.Names.Kind)+".md"), []byte(out.String()), 0o644)
}

// row writes a field and all below it, in the order of their names.
func row(out *strings.Builder, path string, schema *apiextensionsv1.JSONSchemaProps, required bool) {
	text := paragraph(schema.Description)
	if required {
		text = "**Required.** " + text
	}
	if len(schema.Enum) > 0 {
		values := make([]string, len(schema.Enum))
		for i, value := range schema.Enum {
			values[i] = "`" + strings.Trim(string(value.Raw), `"`) + "`"
		}
		text += " One of " + strings.Join(values, ", ") + "."
	}
	fmt.Fprintf(out, "| `%s` | %s | %s |\n", path, kind(schema), strings.ReplaceAll(strings.TrimSpace(text), "|", `\|`))
	below, prefix := schema, path+"."
	if schema.Items != nil && schema.Items.Schema != nil {
		below, prefix = schema.Items.Schema, path+"[]."
	}
	names := make([]string, 0, len(below.Properties))
	for name := range below.Properties {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		property := below.Properties[name]
		row(out, prefix+name, &property, slices.Contains(below.Required, name))
	}
}

func kind(schema *apiextensionsv1.JSONSchemaProps) string {
	switch {
	case schema.Items != nil && schema.Items.Schema != nil:
		return "list of " + kind(schema.Items.Schema)
	case schema.AdditionalProperties != nil && schema.AdditionalProperties.Schema != nil:
		return "map of " + kind(schema.AdditionalProperties.Schema)
	case schema.Format != "":
		return schema.Type + " (" + schema.Format + ")"
	case schema.Type == "":
		return "any"
	}
	return schema.Type
}

// paragraph puts a description on one line.
func paragraph(text string) string { return strings.Join(strings.Fields(text), " ") }
