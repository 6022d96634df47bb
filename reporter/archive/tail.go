package archive

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
)

// end is how a file ends.
type end struct {
	size     int64 // of its whole lines
	last     Head  // zero where there is no line, or none that can be read
	repaired string
}

// mend finds the last line of a file and mends what a process that was killed left
// behind it: part of a line, of which nobody was told that it is kept, is cut off; a
// line that lacks but its newline gets it.
func mend(file *os.File) (end, error) {
	info, err := file.Stat()
	if err != nil {
		return end{}, err
	}
	e := end{size: info.Size()}
	whole, torn, err := lastLine(file, e.size)
	if err != nil {
		return end{}, err
	}
	if len(torn) > 0 {
		if whole, err = e.mend(file, whole, torn); err != nil {
			return end{}, err
		}
	}
	// An edited line is no line to go on from: what the cluster knows decides then.
	if line, err := ParseLine(whole); err == nil && line.Intact {
		e.last = line.Head()
	}
	return e, nil
}

// mend deals with what stands behind the last newline, and gives the last whole line.
func (e *end) mend(file *os.File, whole, torn []byte) ([]byte, error) {
	if unfinished(torn) {
		e.size -= int64(len(torn))
		if err := file.Truncate(e.size); err != nil {
			return nil, fmt.Errorf("cutting off a part of a line: %w", err)
		}
		e.repaired = fmt.Sprintf("%d bytes of a line that was not written to its end are cut off", len(torn))
		return whole, file.Sync()
	}
	if _, err := file.WriteAt([]byte{'\n'}, e.size); err != nil {
		return nil, fmt.Errorf("ending its last line: %w", err)
	}
	e.size++
	e.repaired = "the last line lacked its end"
	return torn, file.Sync()
}

// unfinished says that text is what is left of a line of ours, or of a disk that lost
// its power. Anything else is somebody's, and stays to be seen.
func unfinished(text []byte) bool {
	if line, err := ParseLine(text); err == nil && line.Intact {
		return false
	}
	return IsLine(text) || bytes.HasPrefix([]byte(linePrefix), text) || len(bytes.Trim(text, "\x00")) == 0
}

// lastLine reads the last whole line of a file, and what stands behind it.
func lastLine(file io.ReaderAt, size int64) (whole, torn []byte, err error) {
	var tail []byte
	for at := size; ; {
		if i := bytes.LastIndexByte(tail, '\n'); i >= 0 {
			if begin := bytes.LastIndexByte(tail[:i], '\n'); begin >= 0 || at == 0 {
				return tail[begin+1 : i], tail[i+1:], nil
			}
		}
		if at == 0 {
			return nil, tail, nil
		}
		if len(tail) > 2*MaxLine {
			return nil, nil, errors.New("there is no line; is it another file?")
		}
		step := min(at, 64<<10)
		at -= step
		block := make([]byte, step)
		if _, err := file.ReadAt(block, at); err != nil {
			return nil, nil, err
		}
		tail = append(block, tail...)
	}
}
