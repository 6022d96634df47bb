package desired

import (
	"path"
	"strings"

	"sigs.k8s.io/kustomize/api/konfig"
)

// kustomizationLeaves finds the values of Secrets that a kustomization holds itself: the
// literals of its generators and its inline patches. Files that it names are judged
// when they are read, or by what comes of them.
func kustomizationLeaves(file string, document any) []secretLeaf {
	kustomization, ok := mapping(document)
	if !ok || !isKustomization(file, kustomization) {
		return nil
	}
	var found []secretLeaf
	for _, item := range list(kustomization["secretGenerator"]) {
		generator, _ := mapping(item)
		found = append(found, literalLeaves(generator)...)
	}
	for _, item := range list(kustomization["patches"]) {
		patch, _ := mapping(item)
		found = append(found, patchLeaves(patch)...)
	}
	for _, item := range list(kustomization["patchesJson6902"]) {
		patch, _ := mapping(item)
		found = append(found, patchLeaves(patch)...)
	}
	for _, item := range list(kustomization["patchesStrategicMerge"]) {
		found = append(found, patchLeaves(map[string]any{"patch": item})...)
	}
	return found
}

func isKustomization(file string, document map[string]any) bool {
	for _, name := range konfig.RecognizedKustomizationFileNames() {
		if path.Base(file) == name {
			return true
		}
	}
	version, _ := document["apiVersion"].(string)
	return strings.HasPrefix(version, "kustomize.config.k8s.io/")
}

func list(value any) []any {
	items, _ := value.([]any)
	return items
}

// literalLeaves reads "key=value", as a generator does.
func literalLeaves(generator map[string]any) []secretLeaf {
	title := titleOf(secretKind, generator["namespace"], generator["name"])
	var found []secretLeaf
	for _, item := range list(generator["literals"]) {
		text, _ := item.(string)
		if isCipherText(text) {
			found = append(found, secretLeaf{title, "secretGenerator.literals", text})
			continue
		}
		key, value, _ := strings.Cut(text, "=")
		if value = strings.Trim(value, `"'`); value != "" {
			found = append(found, secretLeaf{title, joinKey("secretGenerator.literals", key), value})
		}
	}
	return found
}

// patchLeaves reads an inline patch: a part of an object, or a list of operations on one
// that the target names.
func patchLeaves(patch map[string]any) []secretLeaf {
	text, _ := patch["patch"].(string)
	if text == "" {
		text, _ = patch["op"].(string)
	}
	if !strings.Contains(text, "\n") && !strings.HasPrefix(strings.TrimSpace(text), "[") && !strings.HasPrefix(strings.TrimSpace(text), "{") {
		return nil // the name of a file
	}
	target, _ := mapping(patch["target"])
	var found []secretLeaf
	for _, document := range parsed([]byte(text)) {
		if operations := list(document); operations != nil {
			found = append(found, operationLeaves(target, operations)...)
			continue
		}
		if part, ok := mapping(document); ok && part["kind"] == nil && target["kind"] == secretKind {
			part["kind"] = secretKind
		}
		found = append(found, secretLeaves(document)...)
	}
	return found
}

func operationLeaves(target map[string]any, operations []any) []secretLeaf {
	if target["kind"] != secretKind {
		return nil
	}
	title := titleOf(secretKind, target["namespace"], target["name"])
	var found []secretLeaf
	for _, item := range operations {
		operation, _ := mapping(item)
		at, _ := operation["path"].(string)
		field, rest, _ := strings.Cut(strings.TrimPrefix(at, "/"), "/")
		if field == "data" || field == "stringData" {
			key := field
			if rest != "" {
				key = joinKey(field, strings.NewReplacer("~1", "/", "~0", "~").Replace(rest))
			}
			found = append(found, scalars(title, key, operation["value"])...)
		}
	}
	return found
}
