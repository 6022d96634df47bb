package archive

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

// Stream writes lines to something that can't be read back, such as standard output.
// What it wrote is as durable as whoever takes it up makes it. Its fields are set
// before the first use; one goroutine at a time may use it.
type Stream struct {
	Out io.Writer

	head  Head
	begun bool
	torn  bool
}

// SinkStdout is the name of a [Stream]'s chain.
const SinkStdout = "stdout"

// Append writes the records. known is the end of the chain that the cluster knows.
func (s *Stream) Append(_ context.Context, known Head, at time.Time, records []*v1alpha1.ChangeRecord) (Appended, error) {
	c := chain{head: s.head, at: at}
	if s.torn {
		c.out.WriteByte('\n')
	}
	if !s.begun || s.head.Seq < known.Seq {
		c.head = known
		because := becauseRun
		if known.Seq == 0 {
			because = becauseNew
		}
		if err := c.start(SinkStdout, because); err != nil {
			return Appended{}, err
		}
	}
	if err := c.records(records); err != nil {
		return Appended{}, err
	}
	if _, err := s.Out.Write(c.out.Bytes()); err != nil {
		s.begun, s.torn = false, true
		return Appended{}, fmt.Errorf("archiving to standard output: %w", err)
	}
	s.head, s.begun, s.torn = c.head, true, false
	return Appended{Head: c.head, Written: len(records)}, nil
}

// Close leaves the output open: it is not ours.
func (s *Stream) Close() error { return nil }
