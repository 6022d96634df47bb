package archive

import "fmt"

// edited takes a line whose hash is not that of its content. Its number is believed
// where it fits.
func (v *Verifier) edited(line *Line) {
	v.report.found(v.at(Edited, line.Seq, line.Record, "its hash is not that of its content"))
	if line.Seq == v.top.Seq+1+v.unreadable {
		v.compareHead(line)
		v.advance(line)
		return
	}
	v.unreadable++
}

// follow takes a line that has to follow the one before.
func (v *Verifier) follow(line *Line) {
	expected := v.top.Seq + 1
	switch {
	case v.top.Seq == 0 && v.unreadable == 0:
		v.first(line)
	case line.Seq == expected && v.unreadable == 0:
		if line.Prev != v.top.hash() {
			v.report.found(v.at(Edited, line.Seq, line.Record,
				"it doesn't follow the line before: one of the two was edited, and its hash made anew"))
		}
		v.advance(line)
	case line.Seq > expected+v.unreadable:
		v.miss(expected+v.unreadable, line.Seq-1)
		v.advance(line)
	case line.Seq >= expected:
		v.advance(line) // it makes up for lines that can't be read
	case v.take(line.Seq):
		v.report.found(v.at(Reordered, line.Seq, line.Record, fmt.Sprintf("it stands behind the line with seq %d", v.top.Seq)))
	case v.recent.has(line.Head()):
		v.report.found(v.at(Inserted, line.Seq, line.Record, "it is a copy of an earlier line"))
	default:
		v.report.found(v.at(Inserted, line.Seq, line.Record, fmt.Sprintf("there was a line with this seq; the one before has %d", v.top.Seq)))
	}
}

// first takes the first line that there is, which is no start.
func (v *Verifier) first(line *Line) {
	switch {
	case line.Seq > 1:
		v.miss(1, line.Seq-1)
	default:
		v.report.found(v.at(Edited, line.Seq, line.Record, "an archive begins with a line that says so"))
	}
	v.advance(line)
}

// start takes a line that begins a stretch.
func (v *Verifier) start(line *Line) {
	after := Head{Seq: line.Seq - 1, Hash: line.Prev}
	switch {
	case v.top.Seq == 0 && v.unreadable == 0:
		if after.Seq > 0 { // whoever removed what was before would leave the same
			v.miss(1, after.Seq)
		}
	case after == v.top:
	case after.Seq < v.top.Seq && v.known(after) && v.top.Seq-after.Seq > maxSurplus:
		v.report.found(v.at(Inserted, line.Seq, "", fmt.Sprintf(
			"the reporter went on after seq %d, and the %d lines after that are more than it leaves untold: they are not all its own",
			after.Seq, v.top.Seq-after.Seq)))
	case after.Seq < v.top.Seq && v.known(after):
		v.report.note("%s line %d: the reporter started again after seq %d; it had not been told that the %d lines after that were kept, and archived their records again",
			v.file, v.line, after.Seq, v.top.Seq-after.Seq)
	case after.Seq > v.top.Seq+v.unreadable:
		v.miss(v.top.Seq+v.unreadable+1, after.Seq)
	case after.Seq > v.top.Seq: // it makes up for lines that can't be read
	default:
		v.report.found(v.at(Edited, line.Seq, "", fmt.Sprintf(
			"the lines before are not those that the reporter wrote: it went on from another line with seq %d", after.Seq)))
	}
	v.advance(line)
}

func (v *Verifier) advance(line *Line) {
	v.top, v.unreadable = line.Head(), 0
	v.recent.put(v.top)
}

func (v *Verifier) compareHead(line *Line) {
	switch {
	case v.Head == nil || line.Seq != v.Head.Seq:
	case line.Hash == v.Head.Hash:
		v.atHead = true
	case v.headOff == 0:
		v.headOff = v.line
	}
}
