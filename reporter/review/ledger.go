package review

import (
	"hash/fnv"
	"time"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/reporter/record"
)

// ledger is what is kept of the records: some forty bytes of each.
type ledger struct {
	lines    map[uint64]line // by the hash of the record's name
	round    uint32          // which list it is
	complete bool            // one list came to its end
}

// line is one record.
type line struct {
	verdict uint64 // hash of the verdict, its reviewer and its time; 0: none
	seen    int64  // seconds since the epoch
	round   uint32 // the list, or the watch after it, that told of it last
	outcome int8   // index into waiting() of a record that waits; -1: it does not
}

// put takes a record in, and says whether a verdict was given since it was last told of.
// Of a record that is new to this process nobody knows when that was.
func (l *ledger) put(rec *v1alpha1.ChangeRecord) (ruled bool) {
	if l.lines == nil {
		l.lines = map[uint64]line{}
	}
	name := hash(rec.Name)
	is := line{seen: record.Seen(rec).Unix(), round: l.round, outcome: -1}
	if record.Reviewed(rec) {
		r := rec.Status.Review
		is.verdict = hash(string(r.Verdict), r.Reviewer, r.At.UTC().Format(time.RFC3339))
	}
	if record.Waits(rec) {
		for i, outcome := range waiting() {
			if rec.Spec.Outcome == outcome {
				is.outcome = int8(i)
			}
		}
	}
	was, known := l.lines[name]
	l.lines[name] = is
	return known && is.verdict != 0 && is.verdict != was.verdict
}

func (l *ledger) remove(name string) { delete(l.lines, hash(name)) }

// sweep drops what was deleted while nobody watched: the list that has just ended did
// not tell of it.
func (l *ledger) sweep() {
	for name, is := range l.lines {
		if is.round != l.round {
			delete(l.lines, name)
		}
	}
}

// sum is what waits of one outcome.
type sum struct {
	byAge   [4]int // by ages()
	overdue int
}

func (l *ledger) sums(overdue Overdue, now time.Time) map[v1alpha1.Outcome]sum {
	out := map[v1alpha1.Outcome]sum{}
	for _, is := range l.lines {
		if is.outcome < 0 {
			continue
		}
		outcome, age := waiting()[is.outcome], now.Sub(time.Unix(is.seen, 0))
		s := out[outcome]
		s.byAge[ageOf(age)]++
		if age >= overdue.after(outcome) {
			s.overdue++
		}
		out[outcome] = s
	}
	return out
}

func hash(texts ...string) uint64 {
	h := fnv.New64a()
	for _, text := range texts {
		h.Write([]byte(text)) // a hash takes everything
		h.Write([]byte{0})
	}
	return h.Sum64()
}
