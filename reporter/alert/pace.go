package alert

import (
	"math/rand/v2"
	"time"
)

// Pauses after a failure: the first, and the longest, each give or take a fifth.
const (
	firstPause   = time.Second
	longestPause = 5 * time.Minute
)

// pauseAfter is how long to wait after so many failures in a row.
func pauseAfter(failures int) time.Duration {
	pause := longestPause
	if failures < 10 {
		pause = min(firstPause<<max(failures-1, 0), longestPause)
	}
	return time.Duration(float64(pause) * (0.8 + 0.4*rand.Float64()))
}

// bucket bounds notifications: so many a minute, all of them at once if need be.
type bucket struct {
	perMinute int
	left      float64
	at        time.Time
}

func (b *bucket) fill(now time.Time) {
	if b.at.IsZero() || now.Sub(b.at) > time.Minute {
		b.left = float64(b.perMinute)
	} else if passed := now.Sub(b.at); passed > 0 {
		b.left = min(b.left+passed.Minutes()*float64(b.perMinute), float64(b.perMinute))
	}
	b.at = now
}

// available is how many may go out now.
func (b *bucket) available(now time.Time) int {
	b.fill(now)
	return int(b.left + 1e-9)
}

func (b *bucket) take() { b.left-- }

// next is how long it takes until one may go out.
func (b *bucket) next() time.Duration {
	if b.left >= 1 {
		return 0
	}
	return time.Duration((1-b.left)*60/float64(b.perMinute)*float64(time.Second)) + time.Millisecond
}
