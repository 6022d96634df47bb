package archive

import (
	"bufio"
	"bytes"
	"errors"
	"io"
)

// lines reads a file line by line, of any size: of a line that is longer than any of
// an archive only the beginning is given.
type lines struct {
	from *bufio.Reader
	held []byte
	// torn says that the line that next gave had no newline.
	torn bool
}

func newLines(from io.Reader) *lines { return &lines{from: bufio.NewReaderSize(from, 256<<10)} }

// next gives the next line, until it is asked again. At the end the error is io.EOF.
func (l *lines) next() ([]byte, error) {
	l.held, l.torn = l.held[:0], false
	for {
		part, err := l.from.ReadSlice('\n')
		if room := MaxLine + 1 - len(l.held); room > 0 {
			l.held = append(l.held, part[:min(room, len(part))]...)
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case errors.Is(err, io.EOF) && len(l.held) > 0:
			l.torn = true
			return l.held, nil
		case err != nil:
			return nil, err
		}
		return bytes.TrimSuffix(l.held, []byte{'\n'}), nil
	}
}

// stripLog finds the line of an archive in a line of a log, behind what a container
// runtime or kubectl put before it; nil where there is none.
func stripLog(text []byte) []byte {
	at := bytes.Index(text, []byte(linePrefix))
	if at < 0 || at > 256 || at > 0 && text[at-1] != ' ' {
		return nil
	}
	return text[at:]
}

// recent knows the last lines that were passed: a restart goes back by no more than
// one batch.
type recent struct {
	heads [1024]Head
	next  int
}

func (r *recent) put(h Head) {
	r.heads[r.next%len(r.heads)] = h
	r.next++
}

func (r *recent) has(h Head) bool {
	for i := range r.heads {
		if h.Seq > 0 && r.heads[i] == h {
			return true
		}
	}
	return false
}
