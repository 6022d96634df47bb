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

func TestAnInputAtTheEndOfTheTimeIsNoFailure(t *testing.T) {
	for said, want := range map[string]bool{
		"fuzz: elapsed: 6s, execs: 9\n--- FAIL: FuzzA (6.01s)\n    context deadline exceeded\nFAIL\n":                                         true,
		"--- FAIL: FuzzA (6.01s)\n    context deadline exceeded\n    Failing input written to testdata/fuzz/FuzzA/1\nFAIL\n":                  false,
		"--- FAIL: FuzzA (0.01s)\n    --- FAIL: FuzzA (0.00s)\n        a_test.go:3: asking: context deadline exceeded\nFAIL\n":                false,
		"--- FAIL: FuzzA (0.01s)\n    fuzzing process hung or terminated unexpectedly: exit status 2\n    Failing input written to x\nFAIL\n": false,
	} {
		if got := onlyLate(said); got != want {
			t.Errorf("%t, want %t: %s", got, want, said)
		}
	}
}
