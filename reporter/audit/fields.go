package audit

import (
	"context"
	"fmt"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	metaclient "k8s.io/client-go/metadata"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitlatch/gitlatch/policy"
)

// Discoverer tells which kinds there are; a discovery client is one.
type Discoverer interface {
	ServerPreferredResourcesWithContext(ctx context.Context) ([]*metav1.APIResourceList, error)
}

// Fields is the witness that is always there: managedFields of every governed object
// say under which name each field was written last, and when. It asks the judge what
// it would have answered to a person, where the name is that of a person's tool, and
// to a controller, where it may be one's.
//
// What it can't know, it doesn't claim. A client chooses the name, and could write the
// entries themselves, so a finding is Indicated and never Proven; a person who takes
// the name of a sync identity or of the control plane passes. An entry tells of its
// manager's last write alone. A field that was declared and then overwritten is no
// longer the sync's, so that who overwrote it under a name of their own looks like a
// controller that added it: [Stats.Undecided] counts these. That live content is not
// as git says is not asked here at all; the applier does, and its Drift records explain
// what it found. What was deleted, and what was cleared, is known where git's carrier
// left a mark or an inventory, and then not when.
type Fields struct {
	// Metadata reads objects without their content; [metaclient.NewForConfig] asks for
	// protobuf.
	Metadata  metaclient.Interface
	Discovery Discoverer
	// Reader reads ChangeRecords and GitSyncs past any cache. Left out: nothing is
	// explained, and no inventory is compared.
	Reader client.Reader
	// Policies that say what is governed. What was written before a policy was made is
	// no bypass of it.
	Policies []*policy.Policy
	Install  policy.Installation
	// From leaves out what was written before. Left out: nothing is.
	From time.Time
	// To leaves out objects that were made after. What was written after To to an older
	// one counts, since it may hide what the same manager wrote before. Left out: none is.
	To time.Time
	// Namespace leaves out everything outside of it. Left out: nothing is.
	Namespace string
	// PageSize is how many objects are read at a time. Left out: 500.
	PageSize int64
	// Progress is told before each kind and after each page. Left out: nobody is.
	Progress func(Progress)
	Clock    clock.PassiveClock // nil: the real one
}

// Progress of a survey.
type Progress struct {
	// Kinds that are done, of so many.
	Kinds, Of int
	// Objects that were examined.
	Objects int
}

// Stats are what a survey examined, and what it could not.
type Stats struct {
	// Kinds and Objects that were examined.
	Kinds   int `json:"kinds"`
	Objects int `json:"objects"`
	// Findings that no record explains, and those that one does.
	Findings  int `json:"findings"`
	Explained int `json:"explained"`
	// NotExamined lists what could not be, and why.
	NotExamined []NotExamined `json:"notExamined,omitempty"`
	// Undecided lists the field managers that may be controllers', which may write
	// what git does not declare, and could as well be a name that somebody chose. At
	// most a hundred; UndecidedMore counts the entries of others.
	Undecided     []Undecided `json:"undecided,omitempty"`
	UndecidedMore int         `json:"undecidedMore,omitempty"`
}

// NotExamined is a kind, a group or a sync that a survey could not look at.
type NotExamined struct {
	What string `json:"what"`
	Why  string `json:"why"`
}

// NeverListed is why a kind is not examined that nobody can list, whatever their rights.
const NeverListed = "it can't be listed"

// Undecided is a field manager that can't be told from a controller's, or one whose
// write can't be told to be after the policy.
type Undecided struct {
	Manager string `json:"manager"`
	// Entries counts the objects' entries that it has.
	Entries int `json:"entries"`
	// Sample is one of the objects, and Last when it was written last.
	Sample string    `json:"sample"`
	Last   time.Time `json:"last"`
}

// How close times have to be.
const (
	// settling is how long after its making a policy may not be in force: what was
	// written within is not held against it.
	settling = 5 * time.Second
	// fresh is how old a finding is whose record may not have been there when records
	// were read.
	fresh = 10 * time.Second
)

// survey is one run.
type survey struct {
	*Fields
	found func(Finding) error
	began time.Time

	kinds      []kind
	done       int                          // of them
	namespaces map[string]map[string]string // labels by name; nil: could not be read
	records    recordIndex
	declared   inventories
	undecided  map[string]*Undecided
	held       []Finding // unexplained, and so fresh that their record may be about to come
	stats      Stats
	failed     error // of found
}

// Survey examines every governed object and tells of what it found, in no order; an
// error of found ends it. What it could not examine is in the Stats, which hold on an
// error too. Its memory does not grow with the number of objects, but for eight bytes
// or so for each in an inventory.
func (f *Fields) Survey(ctx context.Context, found func(Finding) error) (Stats, error) {
	now := clock.PassiveClock(clock.RealClock{})
	if f.Clock != nil {
		now = f.Clock
	}
	s := &survey{Fields: f, found: found, began: now.Now(), undecided: map[string]*Undecided{}}
	for _, step := range []func(context.Context) error{
		s.readRecords,
		s.readKinds,
		s.readNamespaces,
		s.readInventories,
		s.examineKinds,
		s.lookForDeleted,
		s.settleHeld,
	} {
		if err := step(ctx); err != nil {
			return s.summary(), fmt.Errorf("surveying managedFields: %w", err)
		}
	}
	return s.summary(), nil
}

func (s *survey) pageSize() int64 {
	if s.PageSize > 0 {
		return s.PageSize
	}
	return 500
}

func (s *survey) tell() {
	if s.Progress != nil {
		s.Progress(Progress{Kinds: s.done, Of: len(s.kinds), Objects: s.stats.Objects})
	}
}

func (s *survey) notExamined(what, why string) {
	n := NotExamined{What: what, Why: why}
	if !slices.Contains(s.stats.NotExamined, n) {
		s.stats.NotExamined = append(s.stats.NotExamined, n)
	}
}
