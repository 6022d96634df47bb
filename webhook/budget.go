package webhook

import (
	"context"
	"errors"

	"golang.org/x/sync/semaphore"
)

// Limits of one handler. A replica shares one [Budget] between its handlers.
const (
	// MaxBody is the longest review that is read, in bytes. The API server takes
	// requests of 3 MiB; escaped, and as object and old object, they are twelve
	// times as long.
	MaxBody = 40 << 20
	// prefixLength is what is read of every review before anything is asked of the
	// budget: most reviews are shorter, and of the others it holds the envelope.
	prefixLength = 64 << 10
	// maxWaiting times streamWindow is less than connectionWindow.
	maxWaiting = 16
	// valueSize is what a JSON value costs decoded, beside its text: an interface, a
	// header and a share of a map.
	valueSize = 64
)

// errShed says that the budget had no room in time.
var errShed = errors.New("waiting for room: too many or too large reviews at once")

// errDense says that a body would grow too much by being decoded.
var errDense = errors.New("reading the review: too many values in it")

// Budget bounds what all requests together hold in memory. Long bodies wait for
// each other; short ones only stop where their number alone is a danger.
type Budget struct {
	requests *semaphore.Weighted
	waiting  *semaphore.Weighted
	bodies   *semaphore.Weighted
	decoded  *semaphore.Weighted
	size     int64 // of decoded
}

// NewBudget is a budget for so many requests at once, so many bytes of bodies
// longer than 64 KiB, and so many bytes of decoded objects. bodies must be at
// least [MaxBody], or the longest reviews would always be shed.
func NewBudget(requests, bodies, decoded int64) *Budget {
	return &Budget{
		requests: semaphore.NewWeighted(requests),
		waiting:  semaphore.NewWeighted(maxWaiting),
		bodies:   semaphore.NewWeighted(bodies),
		decoded:  semaphore.NewWeighted(decoded),
		size:     decoded,
	}
}

// enter takes a place for a request; nobody waits for one, since what waits
// holds memory too.
func (b *Budget) enter() bool { return b.requests.TryAcquire(1) }

func (b *Budget) leave() { b.requests.Release(1) }

// holdBody waits for room for a body of n bytes. Only a few may wait: what a
// waiting review has sent already takes a share of its connection's window, and
// the small reviews on the same connection must go on.
func (b *Budget) holdBody(ctx context.Context, n int64) (release func(), err error) {
	if b.bodies.TryAcquire(n) {
		return func() { b.bodies.Release(n) }, nil
	}
	if !b.waiting.TryAcquire(1) {
		return nil, errShed
	}
	defer b.waiting.Release(1)
	return hold(ctx, b.bodies, n)
}

// holdDecoded waits for room for what the body becomes. A real review is long
// because of its strings; forty mebibytes of "[]," become a gigabyte of lists.
func (b *Budget) holdDecoded(ctx context.Context, body []byte) (release func(), err error) {
	n := decodedSize(body)
	if n > b.size {
		return nil, errDense
	}
	return hold(ctx, b.decoded, n)
}

func hold(ctx context.Context, s *semaphore.Weighted, n int64) (func(), error) {
	if err := s.Acquire(ctx, n); err != nil {
		return nil, errShed
	}
	return func() { s.Release(n) }, nil
}

// decodedSize estimates from above. A short body is not counted: a value takes
// two bytes at the least.
func decodedSize(body []byte) int64 {
	if len(body) <= prefixLength {
		return int64(len(body)) * (valueSize / 2)
	}
	values, quoted := 0, false
	for i := 0; i < len(body); i++ {
		switch c := body[i]; {
		case c == '"':
			quoted = !quoted
		case quoted:
			if c == '\\' {
				i++
			}
		case c == ',' || c == '[' || c == '{':
			values++
		}
	}
	return int64(len(body)) + int64(values)*valueSize
}
