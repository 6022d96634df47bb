package main

import (
	"testing"
	"time"
)

func TestTheTimeIsSharedSoThatAllTargetsFit(t *testing.T) {
	tests := []struct {
		name          string
		each, within  time.Duration
		jobs, targets int
		want          time.Duration
	}{
		{"there is no limit", time.Minute, 0, 2, 65, time.Minute},
		{"all fit", time.Minute, 40 * time.Minute, 2, 65, time.Minute},
		{"an odd one has a round of its own", time.Minute, 32 * time.Minute, 2, 65, 58 * time.Second},
		{"half of the time", time.Minute, 16 * time.Minute, 2, 64, 30 * time.Second},
		{"no time at all is a second", time.Minute, time.Second, 2, 64, time.Second},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := share(test.each, test.within, test.jobs, test.targets); got != test.want {
				t.Errorf("each runs for %s, want %s", got, test.want)
			}
		})
	}
}
