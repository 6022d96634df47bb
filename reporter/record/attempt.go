package record

import (
	"slices"
	"time"

	"k8s.io/utils/lru"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

const (
	// retryGap is the longest pause between two calls of one request that the API
	// server admits again after a conflict, on a loaded machine.
	retryGap = 5 * time.Second
	// finalGap is the longest time from the mutating to the validating call: other
	// webhooks may take 30 s between them.
	finalGap = time.Minute
	// maxAttempts bounds the memory of each index.
	maxAttempts = 4096
)

// attempts remembers what was recorded just now, so that the calls of one
// request find the record of the first.
type attempts struct {
	byContent *lru.Cache // content -> *attempt
	byTarget  *lru.Cache // ruling and old resourceVersion -> *attempt
	unnamed   *lru.Cache // ruling with a prefix for a name -> []*attempt
	latest    *lru.Cache // act -> []*attempt, the young ones
	overtaken *lru.Cache // content -> []*attempt that are over
	key       []byte     // of hashes
}

// attempt is one that was recorded, or is being so: then ready is open.
type attempt struct {
	name     string
	payload  string
	realName string                   // what a generated name turned out to be
	window   *v1alpha1.RecordedWindow // as first recorded, once ready is closed
	opens    bool                     // it opens a window; never changes
	slot     *slot
	content  string
	made     string     // the first value that it set, hashed
	earlier  []*attempt // of the same content, and over
	first    time.Time
	last     time.Time
	ready    chan struct{}
	err      error
}

func newAttempts(key []byte) attempts {
	return attempts{
		byContent: lru.New(maxAttempts), byTarget: lru.New(maxAttempts), unnamed: lru.New(maxAttempts),
		latest: lru.New(maxAttempts), overtaken: lru.New(maxAttempts), key: key,
	}
}

func (a attempts) again(content string, now time.Time) *attempt {
	found, ok := a.byContent.Get(content)
	if !ok {
		return nil
	}
	t := found.(*attempt)
	if now.Sub(t.last) > retryGap || now.Sub(t.first) > attemptBucket {
		return nil
	}
	t.last = now
	return t
}

func (a attempts) final(e *Entry, now time.Time) *attempt {
	found, ok := a.byTarget.Get(e.ruling() + e.version())
	if !ok {
		return nil
	}
	t := found.(*attempt)
	if now.Sub(t.last) > finalGap {
		return nil
	}
	t.last = now // it is a call of the request as well, and the next may be a retry
	return t
}

// claim takes the oldest attempt that still has no name and fits the payload,
// or the oldest of all: each is claimed once.
func (a attempts) claim(e *Entry, now time.Time) *attempt {
	key := e.generatedRuling()
	found, ok := a.unnamed.Get(key)
	if !ok {
		return nil
	}
	waiting := slices.DeleteFunc(found.([]*attempt), func(t *attempt) bool { return now.Sub(t.last) > finalGap })
	at := slices.IndexFunc(waiting, func(t *attempt) bool { return t.payload == e.Payload })
	if at < 0 && len(waiting) > 0 {
		at = 0
	}
	var claimed *attempt
	if at >= 0 {
		claimed = waiting[at]
		waiting = slices.Delete(waiting, at, at+1)
	}
	a.unnamed.Add(key, waiting)
	return claimed
}

// remember indexes an attempt; content is "" where nothing is the same attempt.
func (a attempts) remember(e *Entry, t *attempt, content string) {
	if content != "" {
		a.overtake(e, t, content)
		a.byContent.Add(content, t)
	}
	if !e.generated() {
		a.byTarget.Add(e.ruling()+e.version(), t)
		return
	}
	var waiting []*attempt
	if found, ok := a.unnamed.Get(e.ruling()); ok {
		waiting = found.([]*attempt)
	}
	a.unnamed.Add(e.ruling(), append(waiting, t))
}

// overtake ends the attempts of an act that e goes on from: it finds what they
// made. Whoever writes a value, takes it back, and writes it again has made three
// attempts, while a retry goes on from where the first try did.
func (a attempts) overtake(e *Entry, t *attempt, content string) {
	var young []*attempt
	if found, ok := a.latest.Get(e.act()); ok {
		young = found.([]*attempt)
	}
	young = slices.DeleteFunc(slices.Clone(young), func(u *attempt) bool {
		return u == t || t.last.Sub(u.last) > attemptBucket
	})
	for _, u := range young {
		if found, ok := a.byContent.Get(u.content); ok && found == any(u) && e.goesOnFrom(a.key, u.made) {
			a.byContent.Remove(u.content)
			a.overtaken.Add(u.content, append(a.over(u.content, t.first), u))
		}
	}
	t.content, t.made = content, e.makes(a.key)
	a.latest.Add(e.act(), append(young, t))
}

// over lists the attempts of a content that were overtaken, as far as their names
// may come again.
func (a attempts) over(content string, now time.Time) []*attempt {
	found, ok := a.overtaken.Get(content)
	if !ok {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(found.([]*attempt)), func(u *attempt) bool { return now.Sub(u.first) > attemptBucket })
}

// failed forgets the attempt whose record was not written, so that the next
// call tries again.
func (a attempts) failed(e *Entry, t *attempt, content string) {
	if found, ok := a.byContent.Get(content); ok && found == any(t) {
		a.byContent.Remove(content)
	}
	key := e.ruling() + e.version()
	if found, ok := a.byTarget.Get(key); ok && found == any(t) {
		a.byTarget.Remove(key)
	}
	if found, ok := a.unnamed.Get(e.ruling()); ok {
		a.unnamed.Add(e.ruling(), slices.DeleteFunc(found.([]*attempt), func(u *attempt) bool { return u == t }))
	}
}
