package archive

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// forged is the line with another seq and prev, and a hash that fits.
func forged(t *testing.T, line string, head Head) (string, Head) {
	t.Helper()
	var e envelope
	must(t, json.Unmarshal([]byte(line), &e))
	again, next, err := encode(head, e)
	must(t, err)
	return string(again), next
}

// TestWhatIsDoneToAnArchiveShows: the archive has a line that begins it and five
// records, of which cr-0003 has seq 4.
func TestWhatIsDoneToAnArchiveShows(t *testing.T) {
	path, head := archiveOf(t, 5)
	whole := linesOf(read(t, path))
	without := func(from, to int) []string { return append(append([]string{}, whole[:from]...), whole[to:]...) }
	edit := func(at int, to string) []string {
		lines := append([]string{}, whole...)
		lines[at] = to
		return lines
	}
	parsed := func(at int) Head {
		l, err := ParseLine([]byte(whole[at]))
		must(t, err)
		return l.Head()
	}
	anew, _ := forged(t, strings.Replace(whole[3], "alice", "mallory", 1), parsed(2))
	inserted, _ := forged(t, whole[1], parsed(2))
	lastAnew, _ := forged(t, strings.Replace(whole[5], "alice", "mallory", 1), parsed(4))
	const elsewhere = "; if they are kept elsewhere, name these files first, or say --from which line it goes on"
	at := func(what What, line int64, seq uint64, record, detail string) Finding {
		return Finding{What: what, File: "a", Line: line, Seq: seq, Record: record, Detail: detail}
	}
	for name, tc := range map[string]struct {
		lines []string
		want  []Finding
	}{
		"nothing": {whole, []Finding{}},
		"a line is edited": {edit(3, strings.Replace(whole[3], "alice", "mallory", 1)), []Finding{
			at(Edited, 4, 4, "cr-0003", "its hash is not that of its content")}},
		"a space is put into a line": {edit(3, strings.Replace(whole[3], `,"spec"`, `, "spec"`, 1)), []Finding{
			at(Edited, 4, 4, "cr-0003", "its hash is not that of its content")}},
		"a line is edited and its hash made anew": {edit(3, anew), []Finding{
			at(Edited, 5, 5, "cr-0004", "it doesn't follow the line before: one of the two was edited, and its hash made anew")}},
		"the last line is edited and its hash made anew": {edit(5, lastAnew), []Finding{
			at(Edited, 6, 6, "", "the cluster knows another line with this seq: the archive was written anew")}},
		"the number of a line is edited": {edit(3, strings.Replace(whole[3], `"seq":4`, `"seq":9`, 1)), []Finding{
			at(Edited, 4, 9, "cr-0003", "its hash is not that of its content")}},
		"a line is overwritten": {edit(3, strings.Repeat("x", len(whole[3]))), []Finding{
			at(Edited, 4, 4, "", "it is no line of an archive")}},
		"a line is emptied": {edit(3, ""), []Finding{
			at(Edited, 4, 4, "", "it is no line of an archive")}},
		"a line is longer than any": {edit(3, linePrefix+strings.Repeat("x", MaxLine)), []Finding{
			at(Edited, 4, 4, "", "it is no line of an archive")}},
		"a line is removed": {without(3, 4), []Finding{
			at(Removed, 4, 4, "", "the line with seq 4 is missing before it")}},
		"lines are removed": {without(2, 4), []Finding{
			at(Removed, 3, 3, "", "lines with seq 3 to 4 are missing before it")}},
		"the beginning is removed": {without(0, 2), []Finding{
			at(Removed, 1, 1, "", "lines with seq 1 to 2 are missing before it"+elsewhere)}},
		"the end is cut off": {without(4, 6), []Finding{
			{What: Truncated, File: "a", Seq: 5, Detail: "it ends with seq 4, and the cluster knows of lines up to 6; if these are in other files, name them too"}}},
		"the end is cut off in the middle of a line": {edit(5, whole[5][:100]+"\x00"), []Finding{ // \x00: without a newline
			{What: Truncated, File: "a", Seq: 6, Detail: "it ends with seq 5, and the cluster knows of lines up to 6; if these are in other files, name them too"},
			at(Truncated, 6, 6, "", "the line ends in the middle")}},
		"all is removed": {nil, []Finding{
			{What: Truncated, File: "a", Seq: 1, Detail: "it ends with seq 0, and the cluster knows of lines up to 6; if these are in other files, name them too"}}},
		"two lines change places": {[]string{whole[0], whole[1], whole[3], whole[2], whole[4], whole[5]}, []Finding{
			at(Reordered, 4, 3, "cr-0002", "it stands behind the line with seq 4")}},
		"the first line is moved to the end": {append(append([]string{}, whole[1:]...), whole[0]), []Finding{
			at(Removed, 1, 1, "", "the line with seq 1 is missing before it"+elsewhere)}},
		"a line is copied": {append(append([]string{}, whole[:4]...), whole[2:]...), []Finding{
			at(Inserted, 5, 3, "cr-0002", "it is a copy of an earlier line"),
			at(Inserted, 6, 4, "cr-0003", "it is a copy of an earlier line")}},
		"a line is put in": {append(append(append([]string{}, whole[:4]...), inserted), whole[4:]...), []Finding{
			at(Inserted, 5, 4, "cr-0001", "there was a line with this seq; the one before has 4")}},
	} {
		t.Run(name, func(t *testing.T) {
			text := ""
			for _, line := range tc.lines {
				text += line + "\n"
			}
			text = strings.ReplaceAll(text, "\x00\n", "")
			got := verified(t, []byte(text), &head)
			if diff := cmp.Diff(tc.want, got.Findings); diff != "" || got.Intact != (len(tc.want) == 0) {
				t.Errorf("intact %v, findings (-want +got):\n%s", got.Intact, diff)
			}
		})
	}
}

// TestTheReportIsWhole: everything that it says of an archive in two files.
func TestTheReportIsWhole(t *testing.T) {
	path, head := archiveOf(t, 3)
	data := read(t, path)
	half := bytes.IndexByte(data, '\n') + 1
	v := &Verifier{}
	must(t, v.Read(t.Context(), "first", bytes.NewReader(data[:half])))
	must(t, v.Read(t.Context(), "second", bytes.NewReader(data[half:])))
	want := Report{Intact: true, Lines: 4, Records: 3, First: 1, Last: head, Findings: []Finding{},
		Notes: []string{"the end is compared with nothing: lines that were cut off at the end don't show"}}
	if diff := cmp.Diff(want, v.Finish()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestAVerificationEndsWhenAsked: a file of gigabytes takes minutes.
func TestAVerificationEndsWhenAsked(t *testing.T) {
	path, _ := archiveOf(t, 3)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := (&Verifier{}).Read(ctx, "a", bytes.NewReader(read(t, path)))
	if !errors.Is(err, context.Canceled) {
		t.Errorf("Read() = %v", err)
	}
}

// TestABrokenArchiveTakesNoMoreMemory: what is kept of ten thousand findings is bounded.
func TestABrokenArchiveTakesNoMoreMemory(t *testing.T) {
	var text strings.Builder
	head := Head{}
	for n := range 5000 {
		head.Seq++ // every second line is missing
		line, next, err := Encode(head, noon(), denied(n))
		must(t, err)
		head = next
		fmt.Fprintf(&text, "%s\n", line)
	}
	got := verified(t, []byte(text.String()), nil)
	if len(got.Findings) != maxFindings || got.More != 5000-maxFindings || got.Intact {
		t.Errorf("%d findings and %d more", len(got.Findings), got.More)
	}
}

// FuzzVerify: whatever stands in a file, it is verified to its end, and an archive to
// which anything was done is not intact.
func FuzzVerify(f *testing.F) {
	var text bytes.Buffer
	c := chain{at: noon()}
	if err := errors.Join(c.start(SinkFile, becauseNew), c.records(deniedFrom(1, 3))); err != nil {
		f.Fatal(err)
	}
	text.Write(c.out.Bytes())
	f.Add(uint16(0), []byte(""))
	f.Add(uint16(30), []byte("x"))
	f.Add(uint16(len(text.Bytes())/2), []byte("\n"))
	f.Add(uint16(len(text.Bytes())), []byte("{\"gitlatch\":\"archive/v1\""))
	f.Fuzz(func(t *testing.T, at uint16, put []byte) {
		whole := text.Bytes()
		cut := min(int(at), len(whole))
		changed := append(append(append([]byte{}, whole[:cut]...), put...), whole[min(len(whole), cut+len(put)):]...)
		got := verified(t, changed, &c.head)
		// Behind the end a writer may be at work.
		if same := bytes.Equal(changed, whole); same != got.Intact && !(got.Intact && cut == len(whole)) {
			t.Errorf("intact %v, and the text is the same: %v\n%+v", got.Intact, same, got)
		}
	})
}
