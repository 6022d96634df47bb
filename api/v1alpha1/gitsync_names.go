package v1alpha1

import (
	"crypto/sha256"
	"encoding/hex"
)

// maxLabel is the longest value of a label (Kubernetes API conventions, "Labels").
const maxLabel = 63

// SyncLabel is the value of [LabelSync] on the objects of a sync:
// "<namespace>.<name>", or, where that does not fit a label, its head and a hash.
// A namespace has no dot, so no two syncs share one.
func SyncLabel(namespace, name string) string {
	full := namespace + "." + name
	if len(full) <= maxLabel {
		return full
	}
	sum := sha256.Sum256([]byte(full))
	tail := "-" + hex.EncodeToString(sum[:8])
	return full[:maxLabel-len(tail)] + tail
}
