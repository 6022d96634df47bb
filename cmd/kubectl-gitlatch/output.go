package main

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/cli-runtime/pkg/printers"
	"sigs.k8s.io/yaml"
)

// checkOutput refuses an output format before anything is done.
func checkOutput(format string, allowed ...string) error {
	if slices.Contains(allowed, format) {
		return nil
	}
	named := slices.DeleteFunc(slices.Clone(allowed), func(name string) bool { return name == "" })
	return badInput(fmt.Errorf("unknown output %q: use one of %s", format, strings.Join(named, ", ")))
}

// printAs prints a value that is no API object.
func printAs(out io.Writer, format string, value any) error {
	if err := checkOutput(format, "json", "yaml"); err != nil {
		return err
	}
	data, err := json.MarshalIndent(value, "", "    ")
	if err != nil {
		return fmt.Errorf("encoding the output: %w", err)
	}
	if format == "yaml" {
		if data, err = yaml.JSONToYAML(data); err != nil {
			return fmt.Errorf("encoding the output: %w", err)
		}
		_, err = out.Write(data)
		return err
	}
	_, err = fmt.Fprintf(out, "%s\n", data)
	return err
}

// printObject prints an API object the way kubectl does.
func printObject(out io.Writer, format string, object runtime.Object) error {
	var printer printers.ResourcePrinter = &printers.JSONPrinter{}
	if format == "yaml" {
		printer = &printers.YAMLPrinter{}
	}
	return printer.PrintObj(object, out)
}

// line makes text from elsewhere safe for a terminal and a table: one line, no
// control characters.
func line(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t' || r == '\r':
			return ' '
		case r < 0x20 || (r >= 0x7f && r < 0xa0):
			return -1
		}
		return r
	}, text)
}

// orNone stands in for an empty cell.
func orNone(text string) string {
	if text == "" {
		return "<none>"
	}
	return line(text)
}
