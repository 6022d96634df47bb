package certificates

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"time"
)

/*
A certificate of a new authority is served when the API server is sure to trust
it: when every registered webhook's bundle holds the authority and it has stood
there for a while, since the API servers learn of it by a watch. Until then the
old certificate goes on being served.

Nobody is kept waiting who has no other certificate: a replica that just came up
waits for the bundle for a bounded time only, since it may be the one that has
to publish it, and not at all where all that is trusted has expired. One whose old
certificate has expired, or is no longer trusted, does not wait.
*/

// Timings of an overlap. The zero value means the defaults.
type Timings struct {
	// Settle is how long a bundle stands before a certificate of a new authority in
	// it is served. Left out: 10 s.
	Settle time.Duration
	// FirstWait is how long a replica without any certificate waits for the bundle
	// at most. Left out: 15 s.
	FirstWait time.Duration
	// Keep is how long an authority stays trusted after it was replaced. Left out: 1 h.
	Keep time.Duration
	// Retry is how often a certificate that has to wait is tried again. Left out: 1 s.
	Retry time.Duration
}

func (t Timings) defaulted() Timings {
	or(&t.Settle, 10*time.Second)
	or(&t.FirstWait, 15*time.Second)
	or(&t.Keep, time.Hour)
	or(&t.Retry, time.Second)
	return t
}

func or(d *time.Duration, def time.Duration) {
	if *d == 0 {
		*d = def
	}
}

// overlap decides when a certificate may be served. Not for concurrent use.
type overlap struct {
	published Published
	timings   Timings
	now       func() time.Time

	asked *x509.Certificate // the authority that waits
	since time.Time         // when it began to wait
	seen  time.Time         // when every bundle held it first; zero: not yet
}

// admits says whether a certificate of this authority may be served now, while
// serving is what is served until then; nil: nothing.
func (o *overlap) admits(ctx context.Context, ca *x509.Certificate, serving *tls.Certificate) bool {
	if o.published == nil {
		return true
	}
	if serving != nil && serving.Leaf != nil {
		if serving.Leaf.CheckSignatureFrom(ca) == nil {
			return true // a renewal by the same authority
		}
		if o.now().After(serving.Leaf.NotAfter) {
			return true
		}
	}
	if o.asked == nil || !o.asked.Equal(ca) {
		o.asked, o.since, o.seen = ca, o.now(), time.Time{}
	}
	bundles, err := o.published(ctx)
	if err != nil {
		return serving == nil && o.waited()
	}
	switch {
	case len(bundles) == 0:
		return true // nobody calls yet
	case !everyHolds(bundles, ca):
		o.seen = time.Time{}
		return serving == nil && (o.waited() || !o.anyLives(bundles))
	case serving == nil:
		return true // it has stood there since before this replica came up
	case serving.Leaf != nil && !o.everyAccepts(bundles, serving.Leaf):
		return true // what is served is refused already
	}
	if o.seen.IsZero() {
		o.seen = o.now()
	}
	return o.now().Sub(o.seen) >= o.timings.Settle
}

func (o *overlap) waited() bool { return o.now().Sub(o.since) >= o.timings.FirstWait }

func everyHolds(bundles [][]byte, ca *x509.Certificate) bool {
	for _, b := range bundles {
		if !contains(parse(b), ca) {
			return false
		}
	}
	return true
}

// everyAccepts: under every bundle the leaf can be verified now.
func (o *overlap) everyAccepts(bundles [][]byte, leaf *x509.Certificate) bool {
	for _, b := range bundles {
		if ca := issuer(leaf, parse(b)); ca == nil || o.now().After(ca.NotAfter) {
			return false
		}
	}
	return true
}

// anyLives: under some bundle something could be verified now.
func (o *overlap) anyLives(bundles [][]byte) bool {
	for _, b := range bundles {
		for _, c := range parse(b) {
			if !o.now().After(c.NotAfter) {
				return true
			}
		}
	}
	return false
}
