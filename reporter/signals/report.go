package signals

import (
	"time"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

// Verdict of a signal.
type Verdict string

const (
	Good      Verdict = "Good"
	Attention Verdict = "Attention" // somebody should look
	Bad       Verdict = "Bad"       // git is not the path, or can't be told to be
	Unknown   Verdict = "Unknown"   // nothing says; Advice says what would
)

// Names of the signals, in order.
const (
	MatchesGit     = "MatchesGit"     // does the repository match reality?
	ThroughGit     = "ThroughGit"     // do changes go through git?
	AuditTrail     = "AuditTrail"     // is history the audit trail?
	DriftCorrected = "DriftCorrected" // is drift corrected?
	RevertRollback = "RevertRollback" // is rollback a revert?
)

// Signal is one question with its answer.
type Signal struct {
	Name     string  `json:"name"`
	Question string  `json:"question"`
	Verdict  Verdict `json:"verdict"`
	// Number in Unit; null where there is none.
	Number *float64 `json:"number"`
	Unit   string   `json:"unit"`
	// Summary says the number in a line.
	Summary string `json:"summary"`
	// Evidence is what the verdict rests on, a line each.
	Evidence []string `json:"evidence"`
	// Advice is what to do. Left out: nothing.
	Advice string `json:"advice,omitempty"`
	// Figures are the other numbers, by name.
	Figures map[string]float64 `json:"figures,omitempty"`
}

// Report is how the cluster stands.
type Report struct {
	// At is when; From is where the period begins that is looked at.
	At   time.Time `json:"at"`
	From time.Time `json:"from"`
	// Verdict is the worst of the signals'. Unknown is worse than Good, and better than
	// Attention.
	Verdict     Verdict     `json:"verdict"`
	Signals     []Signal    `json:"signals"`
	Enforcement Enforcement `json:"enforcement"`
	Syncs       []Sync      `json:"syncs"`
	Windows     []Window    `json:"windows"`
	Unreviewed  Unreviewed  `json:"unreviewed"`
	// Missing lists the rights that the answer lacks, such as "list
	// changerecords.gitlatch.dev".
	Missing []string `json:"missing,omitempty"`
}

// Enforcement is what the gate does to a change around git, as far as its objects and
// the records of its gaps tell.
type Enforcement struct {
	// State is Enforcing, Auditing, Off or Failing; "None" without a policy, and
	// "Unknown" where it can't be read.
	State string `json:"state"`
	// Why says it in a line.
	Why      string   `json:"why"`
	Policies []Policy `json:"policies"`
	// Gap is the one that is open, Last the one that ended last. Left out: none.
	Gap  *Gap `json:"gap,omitempty"`
	Last *Gap `json:"last,omitempty"`
}

// States beside those of [v1alpha1.GateState].
const (
	StateNone    = "None"
	StateUnknown = "Unknown"
)

// Policy is a ChangePolicy.
type Policy struct {
	Name  string        `json:"name"`
	Mode  v1alpha1.Mode `json:"mode"`
	Ready bool          `json:"ready"`
	// Message of its condition where it is not ready.
	Message    string   `json:"message,omitempty"`
	BreakGlass []string `json:"breakGlass,omitempty"` // groups
}

// Gap is a time in which the gate was not as it should be.
type Gap struct {
	Record   string             `json:"record"`
	State    v1alpha1.GateState `json:"state"`
	Cause    string             `json:"cause,omitempty"`
	Since    time.Time          `json:"since"`
	Until    *time.Time         `json:"until,omitempty"` // left out: it is open
	Audited  bool               `json:"audited"`
	Findings int32              `json:"findings"`
}

// Sync is a GitSync.
type Sync struct {
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	// State is InSync, Drifted, Failing, Progressing or Suspended.
	State string `json:"state"`
	// Reason and Message are those of the condition Ready.
	Reason  string `json:"reason,omitempty"`
	Message string `json:"message,omitempty"`
	Commit  string `json:"commit,omitempty"` // applied last
	Objects int    `json:"objects"`
}

// States of a sync.
const (
	SyncInSync      = "InSync"
	SyncDrifted     = "Drifted"
	SyncFailing     = "Failing"
	SyncProgressing = "Progressing"
	SyncSuspended   = "Suspended"
)

// Window is an open break-glass window.
type Window struct {
	Record string               `json:"record"`
	User   string               `json:"user"`
	Reason string               `json:"reason"`
	Scope  v1alpha1.WindowScope `json:"scope"`
	Target string               `json:"target"`
	Until  time.Time            `json:"until"`
	// Left is how many seconds are left.
	Left int64 `json:"secondsLeft"`
}

// Unreviewed is what waits for a second person's verdict.
type Unreviewed struct {
	// Waiting and Overdue count records; null where they can't be read.
	Waiting *int `json:"waiting"`
	Overdue *int `json:"overdue"`
	// Oldest are the records that wait longest, at most ten, by name.
	Oldest []string `json:"oldest,omitempty"`
	// Since is when the oldest was first seen.
	Since *time.Time `json:"since,omitempty"`
}

// worst of two verdicts.
func worst(a, b Verdict) Verdict {
	rank := map[Verdict]int{Good: 0, Unknown: 1, Attention: 2, Bad: 3}
	if rank[b] > rank[a] {
		return b
	}
	return a
}
