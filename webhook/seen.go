package webhook

import (
	"crypto/sha256"
	"maps"
	"slices"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/gitlatch/gitlatch/policy"
	"github.com/gitlatch/gitlatch/reporter/record"
)

// Memory is what a replica remembers of mutating calls until their validating
// calls come: the two share no id. It is a shortcut only. Where the validating
// call comes to another replica, it is judged and recorded by itself, and the
// record's name shows that it is the same attempt.
type Memory struct {
	mu    sync.Mutex
	calls map[callKey]remembered
	order []callKey // a ring, the oldest at next
	next  int
}

// How much is remembered, and for how long: an API server asks the second time
// within milliseconds, unless other webhooks are slow.
const (
	memorySize = 2048
	memoryTime = 30 * time.Second
)

// callKey is what the two calls of one request have in common.
type callKey struct {
	user, userUID        string
	operation            policy.Operation
	resource             schema.GroupVersionResource
	subresource          string
	namespace, name      string
	oldUID, oldResourceV string
	dryRun               bool
}

// remembered is what the mutating call found out.
type remembered struct {
	user       policy.User
	payload    [sha256.Size]byte
	at         time.Time
	decision   policy.Decision
	record     string
	breakGlass policy.Authorization
	pod        *policy.PodFact
}

func keyOf(req *policy.Request, recorded string) callKey {
	return callKey{
		user: req.User.Name, userUID: req.User.UID,
		operation: req.Operation, resource: req.Resource, subresource: req.Subresource,
		namespace: req.Namespace, name: recorded,
		oldUID: metaString(req.Old, "uid"), oldResourceV: metaString(req.Old, "resourceVersion"),
		dryRun: req.DryRun,
	}
}

func (m *Memory) put(key callKey, r remembered) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.calls == nil {
		m.calls = map[callKey]remembered{}
	}
	if _, ok := m.calls[key]; !ok {
		if len(m.order) < memorySize {
			m.order = append(m.order, key)
		} else {
			delete(m.calls, m.order[m.next])
			m.order[m.next] = key
			m.next = (m.next + 1) % memorySize
		}
	}
	m.calls[key] = r
}

// get returns what is remembered of the same requester and act; nil: nothing, or
// too long ago.
func (m *Memory) get(key callKey, user *policy.User, now time.Time) *remembered {
	m.mu.Lock()
	r, ok := m.calls[key]
	m.mu.Unlock()
	if !ok || now.Sub(r.at) > memoryTime || !sameUser(&r.user, user) {
		return nil
	}
	return &r
}

func sameUser(a, b *policy.User) bool {
	return a.Name == b.Name && a.UID == b.UID && slices.Equal(a.Groups, b.Groups) &&
		maps.EqualFunc(a.Extra, b.Extra, slices.Equal[[]string])
}

// payloadOf is a fingerprint of what a request would write, without what the
// API server and this gate themselves add between the two calls.
func payloadOf(object map[string]any) [sha256.Size]byte {
	content := make(map[string]any, len(object))
	for k, v := range object {
		if k != "metadata" && k != "status" {
			content[k] = v
		}
	}
	h := sha256.New()
	_ = record.Fingerprint(h, content) // what came as JSON has one
	var sum [sha256.Size]byte
	h.Sum(sum[:0])
	return sum
}
