package signals

import "time"

// Where the verdicts change. docs/signals.md repeats them for readers.
const (
	// driftedBad: of all objects, in percent, from which on a drift is Bad.
	driftedBad = 5.0

	// answerableGood and answerableBad: percent of the declared objects that
	// `kubectl gitlatch why` can answer for. Below the first is Attention, below the
	// second Bad.
	answerableGood = 99.0
	answerableBad  = 90.0

	// correctedGood and correctedBad: seconds until 99 of 100 drifts were corrected, at
	// most. Above the first is Attention, above the second Bad.
	correctedGood = 10.0
	correctedBad  = 60.0
	// standingGrace is how long a drift may stand before it is one that is not corrected.
	standingGrace = time.Minute
	// standingBad is from when on one that stands is Bad, and not for Attention.
	standingBad = time.Hour

	// revertGood and revertBad: days since the last revert. Above the first is
	// Attention, above the second Bad.
	revertGood = 90.0
	revertBad  = 365.0
)
