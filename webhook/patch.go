package webhook

// PatchOp is one operation of a JSON patch (RFC 6902), as it goes into the
// answer of a mutating call. Path is a JSON pointer: "~" and "/" inside a
// segment are written "~0" and "~1".
type PatchOp struct {
	// Op is "add", "replace", "remove" or "test".
	Op string `json:"op"`
	// Path is the JSON pointer to what is changed.
	Path string `json:"path"`
	// Value is what is put there; left out of a "remove".
	Value any `json:"value,omitempty"`
}
