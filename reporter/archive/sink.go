package archive

import (
	"bytes"
	"time"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

// Appended is what became of records that were handed to a sink.
type Appended struct {
	// Head is the end of the chain now.
	Head Head
	// Written counts the lines of records. It is less than what was handed over where
	// the sink knew some already.
	Written int
	// Repaired says what an earlier process had left unfinished, and was mended. Left
	// out: nothing.
	Repaired string
	// Broken says why the chain can't go on from the sink's own end: somebody else
	// wrote to it. The lines are written all the same, and [Verifier] shows the place.
	// Left out: it can.
	Broken string
}

// chain writes lines, one after the other, into a buffer.
type chain struct {
	head Head
	at   time.Time
	out  bytes.Buffer
}

func (c *chain) start(sink, because string) error {
	line, next, err := EncodeStart(c.head, c.at, Start{Sink: sink, Because: because})
	return c.put(line, next, err)
}

func (c *chain) records(records []*v1alpha1.ChangeRecord) error {
	for _, rec := range records {
		line, next, err := Encode(c.head, c.at, rec)
		if err := c.put(line, next, err); err != nil {
			return err
		}
	}
	return nil
}

func (c *chain) put(line []byte, next Head, err error) error {
	if err != nil {
		return err
	}
	c.head = next
	c.out.Write(line)
	c.out.WriteByte('\n')
	return nil
}

// Why a stretch begins.
const (
	becauseNew   = "the archive is new"
	becauseMoved = "the lines before are kept elsewhere"
	becauseRun   = "the reporter started; it can't read what it wrote before"
	becauseEnd   = "the end of the archive is not where it was left"
)

// MaxBatch is how many records are handed to a sink at once, at most. The cluster is
// told of the end after each batch, so a process that is killed leaves no more lines
// than these, and one that says that a stretch begins, of which the cluster was not told.
const (
	MaxBatch   = 100
	maxSurplus = MaxBatch + 1
)

// Meet decides how a chain goes on whose last line, as the sink has it, is last, and
// as the cluster knows it is known. from is the line to go on from; because is why a
// start line has to say so, and "" where the sink's own end will do.
func Meet(last, known Head) (from Head, because string) {
	switch {
	case last.Seq > known.Seq && last.Seq-known.Seq > maxSurplus:
		return known, becauseEnd // no process of ours leaves so many: somebody added lines
	case last.Seq > known.Seq, last == known && known.Seq > 0:
		return last, "" // the same, or the cluster was not told in time
	case last.Seq == 0 && known.Seq == 0:
		return Head{}, becauseNew
	case last.Seq == 0:
		return known, becauseMoved
	}
	return known, becauseEnd
}

// BrokenBy says that a start line stands where the chain is broken.
func BrokenBy(because string) bool { return because == becauseEnd }
