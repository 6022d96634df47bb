package retention

import (
	"cmp"
	"fmt"
	"time"
)

// Options say how long records stay.
type Options struct {
	// MaxAge since a record was last seen, after which it goes. 0: none goes by age.
	MaxAge time.Duration
	// MaxRecords in the cluster; the oldest above it go. 0: as many as there are.
	MaxRecords int
	// CloseAfter is how long a denial that nobody reviews stays open. 0: for ever.
	CloseAfter time.Duration
	// Every is how often all records are looked at. Left out: 10 min.
	Every time.Duration
	// Notifying says that receivers are told of denials. One that none was told of yet
	// then stays for a day, whatever the number of records.
	Notifying bool
}

// Defaults. A record takes 2 to 10 KB in etcd, 3 mostly, with its managedFields:
// twenty thousand are 60 MB to 200 MB of the 2 GB that etcd stores unless it is told
// otherwise, and a list of them all takes the API server a second or two.
const (
	DefaultMaxAge     = 90 * 24 * time.Hour
	DefaultMaxRecords = 20000
	DefaultCloseAfter = 7 * 24 * time.Hour
	defaultEvery      = 10 * time.Minute
)

// Validate says what is wrong with the options, in one line.
func (o Options) Validate() error {
	switch {
	case o.MaxAge < 0, o.MaxAge > 0 && o.MaxAge < time.Hour:
		return fmt.Errorf("the age %s: must be 0 or at least 1h", o.MaxAge)
	case o.MaxRecords < 0:
		return fmt.Errorf("the number of records %d: must be 0 or more", o.MaxRecords)
	case o.CloseAfter < 0:
		return fmt.Errorf("the time to close %s: must be 0 or more", o.CloseAfter)
	case o.Every < 0:
		return fmt.Errorf("the interval %s: must be 0 or more", o.Every)
	}
	return nil
}

func (o Options) every() time.Duration { return cmp.Or(o.Every, defaultEvery) }
