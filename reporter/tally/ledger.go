package tally

import (
	"hash/fnv"
	"time"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/reporter/record"
)

// ledger is what is kept of the records.
type ledger struct {
	lines    map[uint64]line // by the hash of the record's name
	round    uint32          // which list it is
	complete bool            // one list came to its end
}

// line is one record.
type line struct {
	user    uint64 // hash of who tried; 0: nobody is known
	seen    int64  // seconds since the epoch
	round   uint32 // the list, or the watch after it, that told of it last
	outcome uint8  // index into outcomes
	phase   uint8  // index into phases
}

func (l *ledger) put(rec *v1alpha1.ChangeRecord) {
	if l.lines == nil {
		l.lines = map[uint64]line{}
	}
	entry := line{
		seen:    record.Seen(rec).Unix(),
		round:   l.round,
		outcome: index(outcomes(), rec.Spec.Outcome),
		phase:   index(phases(), record.PhaseOf(rec)),
	}
	if attempted(rec) {
		entry.user = hash(rec.Spec.Requester.Username)
	}
	l.lines[hash(rec.Name)] = entry
}

// attempted says that the record tells of somebody who asked for something: what a drift
// or a finding names may be a field manager, and a gap names nobody.
func attempted(rec *v1alpha1.ChangeRecord) bool {
	return rec.Spec.Requester.Username != "" && rec.Spec.Evidence == v1alpha1.EvidenceAdmission
}

func (l *ledger) remove(name string) { delete(l.lines, hash(name)) }

// sweep drops what was deleted while nobody watched: the list that has just ended did not
// tell of it.
func (l *ledger) sweep() {
	for name, entry := range l.lines {
		if entry.round != l.round {
			delete(l.lines, name)
		}
	}
}

// state is an outcome and a phase, by their indexes.
type state struct{ outcome, phase uint8 }

// sums are what the metrics show.
type sums struct {
	records    map[state]int
	recent     map[uint8]int // by outcome
	requesters int
	newcomers  map[uint8]int // by the outcome of their first record
}

// first is the oldest record of a requester.
type first struct {
	seen    int64
	outcome uint8
}

func (l *ledger) sums(now time.Time) sums {
	s := sums{records: map[state]int{}, recent: map[uint8]int{}, newcomers: map[uint8]int{}}
	firsts := map[uint64]first{}
	for _, entry := range l.lines {
		s.records[state{entry.outcome, entry.phase}]++
		if entry.seen > now.Add(-recently).Unix() {
			s.recent[entry.outcome]++
		}
		if known, ok := firsts[entry.user]; entry.user != 0 && (!ok || entry.seen < known.seen) {
			firsts[entry.user] = first{entry.seen, entry.outcome}
		}
	}
	s.requesters = len(firsts)
	for _, f := range firsts {
		if f.seen > now.Add(-newFor).Unix() {
			s.newcomers[f.outcome]++
		}
	}
	return s
}

func hash(text string) uint64 {
	h := fnv.New64a()
	h.Write([]byte(text)) // a hash takes everything
	return h.Sum64()
}
