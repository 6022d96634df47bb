package archive

import (
	"cmp"
	"fmt"
	"slices"
)

// What is wrong with an archive.
type What string

const (
	// Edited: a line is not as it was written.
	Edited What = "edited"
	// Removed: lines that were there are missing.
	Removed What = "removed"
	// Reordered: a line stands behind a later one.
	Reordered What = "reordered"
	// Inserted: a line stands where there was none.
	Inserted What = "inserted"
	// Truncated: the end is missing.
	Truncated What = "truncated"
)

// Finding is one place where an archive is broken.
type Finding struct {
	What What   `json:"what"`
	File string `json:"file,omitempty"`
	// Line is counted from 1; 0 where there is none to name.
	Line int64 `json:"line,omitempty"`
	// Seq is the number in the chain, as far as it is known.
	Seq uint64 `json:"seq,omitempty"`
	// Record is its name, as far as it is known.
	Record string `json:"record,omitempty"`
	// Detail is for people.
	Detail string `json:"detail"`
}

// Report is what a verification found.
type Report struct {
	// Intact says that nothing was found. It is false until all was read.
	Intact bool `json:"intact"`
	// Lines and Records count what was read; a record may stand in several lines.
	Lines   int64 `json:"lines"`
	Records int64 `json:"records"`
	// First and Last are the chain's.
	First uint64 `json:"firstSeq"`
	Last  Head   `json:"last"`
	// Head is what the end was compared with; nil: with nothing.
	Head *Head `json:"head,omitempty"`
	// Findings in order of the lines, and how many more there are.
	Findings []Finding `json:"findings"`
	More     int64     `json:"moreFindings,omitempty"`
	// Notes tell what is no fault, and worth knowing.
	Notes []string `json:"notes,omitempty"`
}

// Bounds of what is kept of a broken archive.
const (
	maxFindings = 200
	maxNotes    = 20
	maxMissing  = 1000
)

func (r *Report) found(f Finding) {
	if len(r.Findings) < maxFindings {
		r.Findings = append(r.Findings, f)
	} else {
		r.More++
	}
}

func (r *Report) note(format string, args ...any) {
	if len(r.Notes) < maxNotes {
		r.Notes = append(r.Notes, fmt.Sprintf(format, args...))
	}
}

// missing is a run of numbers that was passed over.
type missing struct {
	from, to uint64
	file     string
	line     int64 // that came instead
}

func (m missing) finding() Finding {
	detail := fmt.Sprintf("lines with seq %d to %d are missing before it", m.from, m.to)
	if m.from == m.to {
		detail = fmt.Sprintf("the line with seq %d is missing before it", m.from)
	}
	if m.from == 1 {
		detail += "; if they are kept elsewhere, name these files first, or say --from which line it goes on"
	}
	return Finding{What: Removed, File: m.file, Line: m.line, Seq: m.from, Detail: detail}
}

// take removes a number from what is missing, and says whether it was there.
func (v *Verifier) take(seq uint64) bool {
	for i, m := range v.missing {
		if seq < m.from || seq > m.to {
			continue
		}
		rest := []missing{{m.from, seq - 1, m.file, m.line}, {seq + 1, m.to, m.file, m.line}}
		rest = slices.DeleteFunc(rest, func(m missing) bool { return m.from > m.to })
		v.missing = slices.Replace(v.missing, i, i+1, rest...)
		return true
	}
	return false
}

func (v *Verifier) miss(from, to uint64) {
	if len(v.missing) >= maxMissing { // whatever comes now is not looked for any more
		v.report.found(v.missing[0].finding())
		v.missing = v.missing[1:]
	}
	v.missing = append(v.missing, missing{from, to, v.file, v.line})
}

func inOrder(findings []Finding, files map[string]int) {
	slices.SortStableFunc(findings, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(files[a.File], files[b.File]), cmp.Compare(a.Line, b.Line))
	})
}
