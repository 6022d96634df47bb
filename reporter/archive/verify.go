package archive

import (
	"context"
	"fmt"
	"io"
)

// Verifier checks a chain, line by line, in constant memory. The fields are set before
// the first line; Finish gives the report.
type Verifier struct {
	// Head is the end that the cluster knows. Nil: it is not known, and that the end
	// was cut off can't be seen.
	Head *Head
	// From is the last of the lines that were moved away on purpose: what is read has to
	// go on from there. The zero value: nothing was, and it has to begin with seq 1.
	From Head
	// Logs says that the lines come from the logs of the reporter: whatever is no line
	// of an archive is passed over.
	Logs bool

	report Report
	file   string
	files  map[string]int
	line   int64

	top        Head   // the line that the next one has to follow
	recent     recent // the ones before it
	unreadable uint64 // lines since top that can't be read
	missing    []missing

	// broken is a line of a log that breaks off: a fault, unless the reporter started
	// anew behind it.
	broken *Finding

	atHead  bool  // the line that the head names was there
	headOff int64 // the line that had its number and not its hash
}

// Read checks all lines of a file. It may be called for one after the other.
func (v *Verifier) Read(ctx context.Context, name string, from io.Reader) error {
	v.begin(name)
	lines := newLines(from)
	for {
		text, err := lines.next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("reading %s: %w", name, err)
		}
		if v.line%256 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		v.line++
		if lines.torn {
			v.torn(text)
			continue
		}
		v.check(text, nil)
	}
}

func (v *Verifier) begin(name string) {
	if v.files == nil {
		v.files = map[string]int{}
		if v.From.Seq > 0 {
			v.top = v.From
			v.recent.put(v.top)
		}
	}
	if _, known := v.files[name]; !known {
		v.files[name] = len(v.files)
	}
	v.file, v.line = name, 0
}

// torn looks at what stands behind the last newline.
func (v *Verifier) torn(text []byte) {
	if line, err := ParseLine(text); err == nil && line.Intact || v.Logs && !IsLine(text) {
		v.check(text, nil)
		return
	}
	if v.Head != nil && v.top.Seq >= v.Head.Seq {
		v.report.note("%s line %d is not complete: it is being written, or its writer was killed; nothing of it was counted on", v.file, v.line)
		return
	}
	v.report.found(v.at(Truncated, v.top.Seq+1, "", "the line ends in the middle"))
	v.unreadable++
}

// Entry is a row of a database: a line and what stands beside it.
type Entry struct {
	Seq                  uint64
	UID, Version, Record string
	Line                 []byte
}

// Row checks one row of a database. Its number stands for that of the line.
func (v *Verifier) Row(table string, e Entry) {
	if v.file != table {
		v.begin(table)
	}
	v.line = int64(e.Seq)
	v.check(e.Line, &e)
}

func (v *Verifier) check(text []byte, beside *Entry) {
	if v.Logs {
		text = stripLog(text)
	}
	if v.Logs && text == nil {
		return
	}
	v.report.Lines++
	line, err := ParseLine(text)
	if err != nil {
		v.unreadable++
		v.unread(v.at(Edited, v.top.Seq+v.unreadable, "", err.Error()))
		return
	}
	v.settle(line.Start != nil && v.known(Head{Seq: line.Seq - 1, Hash: line.Prev}))
	if line.Start == nil {
		v.report.Records++
	}
	if v.report.First == 0 {
		v.report.First = line.Seq
	}
	if beside != nil && (beside.Seq != line.Seq || beside.UID != line.UID || beside.Version != line.Version || beside.Record != line.Record) {
		v.report.found(v.at(Edited, line.Seq, line.Record, "the columns beside the line don't say what it says"))
	}
	if !line.Intact {
		v.edited(&line)
		return
	}
	v.compareHead(&line)
	if line.Start != nil {
		v.start(&line)
		return
	}
	v.follow(&line)
}

// unread takes a line that can't be read.
func (v *Verifier) unread(f Finding) {
	v.settle(false)
	if v.Logs {
		v.broken = &f
		return
	}
	v.report.found(f)
}

// settle decides about a line that broke off, once it is known what came then.
func (v *Verifier) settle(startedAnew bool) {
	switch {
	case v.broken == nil:
	case startedAnew:
		v.report.note("%s line %d breaks off: the reporter was killed while it wrote, and archived the record again", v.broken.File, v.broken.Line)
		v.unreadable = 0
	default:
		v.report.found(*v.broken)
	}
	v.broken = nil
}

// known says that a line was among those that were read last, or is the beginning.
func (v *Verifier) known(h Head) bool { return h == Head{Hash: none} || v.recent.has(h) }

// Finish gives the report, after the last line.
func (v *Verifier) Finish() Report {
	r := &v.report
	v.settle(v.Head != nil && v.top.Seq >= v.Head.Seq)
	for _, m := range v.missing {
		r.found(m.finding())
	}
	r.Last, r.Head = v.top, v.Head
	if v.From.Seq > 0 {
		r.note("what was written up to seq %d is not looked at: it was said to be kept elsewhere", v.From.Seq)
	}
	switch {
	case v.Head == nil:
		r.note("the end is compared with nothing: lines that were cut off at the end don't show")
	case v.Head.Seq == 0, v.atHead, r.Lines == 0 && v.From == *v.Head:
	case v.Logs && r.Lines == 0:
		r.note("there is no line of an archive in the log; the cluster knows of lines up to seq %d", v.Head.Seq)
	case v.headOff != 0:
		r.found(Finding{What: Edited, File: v.file, Line: v.headOff, Seq: v.Head.Seq, Detail: "the cluster knows another line with this seq: the archive was written anew"})
	case v.top.Seq < v.Head.Seq:
		r.found(Finding{What: Truncated, File: v.file, Seq: v.top.Seq + 1, Detail: fmt.Sprintf(
			"it ends with seq %d, and the cluster knows of lines up to %d; if these are in other files, name them too", v.top.Seq, v.Head.Seq)})
	default: // it is among those that are missing
	}
	if r.Findings == nil {
		r.Findings = []Finding{} // a list, also where it is printed
	}
	inOrder(r.Findings, v.files)
	r.Intact = len(r.Findings) == 0
	return *r
}

func (v *Verifier) at(what What, seq uint64, record, detail string) Finding {
	return Finding{What: what, File: v.file, Line: v.line, Seq: seq, Record: record, Detail: detail}
}
