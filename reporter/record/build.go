package record

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

// Sizes, in bytes. With its status and the API server's bookkeeping a record
// stays under 8 KiB; everything that a requester can choose is cut.
const (
	maxRecord  = 5 << 10 // labels and spec as JSON
	listSize   = 48      // of changes and changesOmitted, beside the changes
	maxValue   = 256     // each side of a change
	maxPath    = 512
	maxName    = 253
	maxUser    = 512
	maxMessage = 1024
	maxReason  = 512
	maxWord    = 128 // uids, versions, field managers, extra, samples
	maxGroups  = 24
	maxExtra   = 12
	maxSample  = 64
	ellipsis   = "…"
)

// build makes the record of an entry: redacted, cut, labelled. The status is
// not part of it: an API server takes it in a second call only.
func build(name string, e *Entry) *v1alpha1.ChangeRecord {
	rec := &v1alpha1.ChangeRecord{
		TypeMeta:   metav1.TypeMeta{APIVersion: v1alpha1.GroupVersion.String(), Kind: "ChangeRecord"},
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels(e)},
	}
	e.Spec.DeepCopyInto(&rec.Spec)
	capSpec(&rec.Spec)
	changes := renderChanges(e)
	rec.Spec.Changes, rec.Spec.ChangesOmitted = nil, int32(changes.omitted)
	shrink(rec)
	changes.fit(maxRecord - size(rec) - listSize)
	rec.Spec.Changes, rec.Spec.ChangesOmitted = changes.kept, int32(changes.omitted)
	return rec
}

// buildFolded makes the record that stands for a flood. Operation, reason and
// message are those of the first attempt.
func buildFolded(name string, e *Entry, all bool) *v1alpha1.ChangeRecord {
	folded := *e
	folded.Changes, folded.Omitted, folded.DeclaredOmitted = nil, 0, false
	folded.Spec.Folded = true
	folded.Spec.Target = nil
	folded.Spec.Request.UID = ""
	folded.Spec.Request.Name = "*"
	folded.Spec.Request.Subresource = ""
	if isNamespace(folded.Spec.Request) {
		folded.Spec.Request.Namespace = ""
	}
	if all {
		r := &folded.Spec.Request
		r.Group, r.Version, r.Resource, r.Kind, r.Namespace = "*", "", "*", "", ""
	}
	return build(name, &folded)
}

// text is a redacted value as JSON; what is left out as a whole stands bare.
func text(v any, has bool) string {
	if !has {
		return ""
	}
	switch v {
	case redacted, redactedBefore, redactedAfter:
		return v.(string)
	}
	return cut(string(jsonOf(short(v))), maxValue)
}

// short is a value without most of what is cut off anyway, so that the rest of a long
// text is not copied to be thrown away. What is left in a text is more than is kept.
func short(v any) any {
	switch v := v.(type) {
	case string:
		return v[:min(len(v), 2*maxValue)]
	case map[string]any:
		out := make(map[string]any, len(v))
		for key, value := range v {
			out[key] = short(value)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, value := range v {
			out[i] = short(value)
		}
		return out
	}
	return v
}

// jsonOf writes <, > and & as they are: people read it.
func jsonOf(v any) []byte {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		return []byte(redacted)
	}
	return bytes.TrimSuffix(out.Bytes(), []byte("\n"))
}

// size is that of the JSON that is stored, in which < takes six bytes.
func size(v any) int {
	raw, err := json.Marshal(v)
	if err != nil {
		return maxRecord
	}
	return len(raw)
}

func capSpec(s *v1alpha1.ChangeRecordSpec) {
	s.Policy = cut(s.Policy, maxName)
	s.Message = cut(s.Message, maxMessage)
	s.Requester.Username = cut(s.Requester.Username, maxUser)
	s.Requester.UID = cut(s.Requester.UID, maxWord)
	s.Requester.Groups = capAll(s.Requester.Groups, maxGroups)
	s.Requester.Extra = capExtra(s.Requester.Extra)
	r := &s.Request
	for _, field := range []*string{&r.Group, &r.Resource, &r.Namespace, &r.Name} {
		*field = cut(*field, maxName)
	}
	for _, field := range []*string{&r.Operation, &r.Version, &r.Subresource, &r.Kind, &r.FieldManager} {
		*field = cut(*field, maxWord)
	}
	r.UID = types.UID(cut(string(r.UID), maxWord))
	if s.Target != nil {
		s.Target.UID = types.UID(cut(string(s.Target.UID), maxWord))
		s.Target.ResourceVersion = cut(s.Target.ResourceVersion, maxWord)
	}
	if s.BreakGlass != nil {
		s.BreakGlass.Reason = cut(s.BreakGlass.Reason, maxReason)
	}
}

// shrink takes away what matters least where the single limits did not do.
func shrink(rec *v1alpha1.ChangeRecord) {
	s := &rec.Spec
	for _, step := range []func(){
		func() {
			for key := range s.Requester.Extra {
				if !strings.HasPrefix(key, "authentication.kubernetes.io/") {
					delete(s.Requester.Extra, key)
				}
			}
		},
		func() { s.Requester.Groups = capAll(s.Requester.Groups, 6) },
		func() { s.Message = cut(s.Message, maxValue) },
		func() { s.Requester.Extra = nil },
	} {
		if size(rec) <= maxRecord {
			return
		}
		step()
	}
}

// capAll keeps the first n, and says how many more there were.
func capAll(values []string, n int) []string {
	var out []string
	for i, value := range values {
		if i == n {
			return append(out, ellipsis)
		}
		out = append(out, cut(value, maxWord))
	}
	return out
}

// capExtra keeps the keys that come first by name, so that two replicas keep
// the same.
func capExtra(extra map[string][]string) map[string][]string {
	if len(extra) == 0 {
		return nil
	}
	keys := make([]string, 0, len(extra))
	for key := range extra {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	out := map[string][]string{}
	for _, key := range keys[:min(len(keys), maxExtra)] {
		out[cut(key, maxWord)] = capAll(extra[key], 2)
	}
	return out
}

// cut shortens s to limit bytes, the ellipsis that then ends it included. What
// is no text, or would speak to a terminal, is replaced.
func cut(s string, limit int) string {
	long := len(s) > limit
	if long {
		s = s[:limit]
	}
	s = strings.Map(func(c rune) rune {
		if unicode.IsControl(c) {
			return utf8.RuneError
		}
		return c
	}, s)
	if !long && len(s) <= limit {
		return s
	}
	end := min(len(s), limit-len(ellipsis))
	for end > 0 && !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + ellipsis
}

// isNamespace: the API server names a namespace as its own namespace.
func isNamespace(r v1alpha1.RecordedRequest) bool { return r.Group == "" && r.Resource == "namespaces" }
