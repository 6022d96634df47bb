package record

import (
	"github.com/go-logr/logr"
)

// Log writes the line that stands for an attempt even where its record could
// not be written: err is why, and nil where it was. It holds no value.
func Log(log logr.Logger, e Entry, name string, err error) {
	fields := line(&e, name)
	if err != nil {
		log.Error(err, "out-of-band attempt, not recorded", fields...)
		return
	}
	log.Info("out-of-band attempt", fields...)
}

func line(e *Entry, name string) []any {
	capped := e.Spec.DeepCopy()
	capSpec(capped)
	r := capped.Request
	fields := []any{
		"outcome", string(capped.Outcome), "class", string(capped.Class), "reason", string(capped.Reason),
		"policy", capped.Policy, "user", capped.Requester.Username, "uid", capped.Requester.UID,
		"operation", r.Operation, "group", r.Group, "resource", r.Resource, "subresource", r.Subresource,
		"namespace", r.Namespace, "name", r.Name, "fieldManager", r.FieldManager,
		"request", string(r.UID), "record", name, "message", capped.Message,
	}
	if window := capped.BreakGlass; window != nil {
		fields = append(fields, "breakGlassReason", window.Reason, "breakGlassUntil", window.Until.UTC())
	}
	return fields
}
