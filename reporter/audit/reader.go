package audit

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	auditv1 "k8s.io/apiserver/pkg/apis/audit/v1"
)

// MaxLine is the longest line, in bytes, that is read: an event at level
// RequestResponse holds two objects, and the largest review that the gate
// reads is 40 MiB.
const MaxLine = 64 << 20

// Entry is one event and the number of its line, from 1.
type Entry struct {
	Line  int
	Event *auditv1.Event
}

// Problem is a line that is no audit event.
type Problem struct {
	// Line is its number, from 1.
	Line int
	// Reason says what is wrong with it, without its content: a log may hold what
	// nobody should see.
	Reason string
	// Truncated says that it is the last line and ends in the middle, as happens
	// when a log is copied while it is written.
	Truncated bool
}

func (p *Problem) Error() string { return fmt.Sprintf("line %d: %s", p.Line, p.Reason) }

// Reader reads events, a line at a time. Use [NewReader].
type Reader struct {
	source *bufio.Reader
	limit  int
	line   int
	bytes  int64
	buffer []byte
}

// NewReader reads events from source.
func NewReader(source io.Reader) *Reader {
	return &Reader{source: bufio.NewReaderSize(source, 256<<10), limit: MaxLine}
}

// Bytes returns how much has been read.
func (r *Reader) Bytes() int64 { return r.bytes }

// Next returns the next event. It ends with io.EOF. A *[Problem] is about one
// line, and the next call goes on behind it; any other error ends the reading.
func (r *Reader) Next() (Entry, error) {
	for {
		line, fits, complete, err := r.readLine()
		if err != nil {
			return Entry{}, err
		}
		if fits && blank(line) {
			continue
		}
		if !fits {
			return Entry{}, &Problem{Line: r.line, Reason: fmt.Sprintf("longer than %d bytes", r.limit)}
		}
		event, problem := parse(line)
		if problem == "" {
			return Entry{Line: r.line, Event: event}, nil
		}
		if !complete {
			return Entry{}, &Problem{Line: r.line, Reason: "ends in the middle", Truncated: true}
		}
		return Entry{}, &Problem{Line: r.line, Reason: problem}
	}
}

// readLine returns the next line without its end. fits is false for a line over
// the limit, whose content is dropped; complete is false where the input ends
// without a newline. The line is valid until the next call.
func (r *Reader) readLine() (line []byte, fits, complete bool, err error) {
	r.buffer = r.buffer[:0]
	fits = true
	read := 0
	for {
		part, err := r.source.ReadSlice('\n')
		read += len(part)
		r.bytes += int64(len(part))
		if len(r.buffer)+len(part) > r.limit {
			fits = false
			r.buffer = r.buffer[:0]
		}
		if fits {
			r.buffer = append(r.buffer, part...)
		}
		switch {
		case err == nil:
			r.line++
			return r.buffer, fits, true, nil
		case errors.Is(err, bufio.ErrBufferFull):
		case errors.Is(err, io.EOF) && read > 0:
			r.line++
			return r.buffer, fits, false, nil
		case errors.Is(err, io.EOF):
			return nil, false, false, io.EOF
		default:
			return nil, false, false, fmt.Errorf("reading line %d: %w", r.line+1, err)
		}
	}
}

func blank(line []byte) bool {
	for _, b := range line {
		if b != ' ' && b != '\t' && b != '\r' && b != '\n' {
			return false
		}
	}
	return true
}

// parse reads one line. The reason that it gives for a line that is no event
// never quotes the line.
func parse(line []byte) (*auditv1.Event, string) {
	event, problem := decodeEvent(line)
	if problem == "" && (event.Kind != "Event" || event.APIVersion != auditv1.SchemeGroupVersion.String()) {
		return nil, "not an Event of audit.k8s.io/v1"
	}
	return event, problem
}

func decodeEvent(line []byte) (*auditv1.Event, string) {
	var event auditv1.Event
	if err := json.Unmarshal(line, &event); err != nil {
		var syntax *json.SyntaxError
		if errors.As(err, &syntax) {
			return nil, "not JSON"
		}
		return nil, "not an audit event: a field of another type"
	}
	return &event, ""
}
