package archive

import (
	"bytes"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestStandardOutputGoesOn: three lives of a reporter, of which the second is killed
// before the cluster is told what it wrote.
func TestStandardOutputGoesOn(t *testing.T) {
	var out bytes.Buffer
	first := &Stream{Out: &out}
	done, err := first.Append(t.Context(), Head{}, noon(), deniedFrom(1, 2))
	must(t, err)
	done, err = first.Append(t.Context(), done.Head, noon(), deniedFrom(3, 3))
	must(t, err)
	known := done.Head
	_, err = (&Stream{Out: &out}).Append(t.Context(), known, noon(), deniedFrom(4, 5))
	must(t, err)
	done, err = (&Stream{Out: &out}).Append(t.Context(), known, noon(), deniedFrom(4, 6))
	must(t, err)
	want := Report{Intact: true, Lines: 11, Records: 8, First: 1, Last: done.Head, Head: &done.Head, Findings: []Finding{}, Notes: []string{
		"a line 8: the reporter started again after seq 4; it had not been told that the 3 lines after that were kept, and archived their records again"}}
	if diff := cmp.Diff(want, verified(t, out.Bytes(), &done.Head)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestTheLogOfAReporter: other lines between, what a runtime puts before each, and the
// oldest kept elsewhere.
func TestTheLogOfAReporter(t *testing.T) {
	var out bytes.Buffer
	s := &Stream{Out: &out}
	done, err := s.Append(t.Context(), Head{}, noon(), deniedFrom(1, 4))
	must(t, err)
	lines := linesOf(out.Bytes())
	log := "2026-03-02T12:00:00Z stdout F " + strings.Join(lines[2:4], "\n{\"level\":\"info\",\"msg\":\"starting\"}\n[pod/gitlatch-reporter-0/reporter] ") +
		"\n\n" + lines[4] + "\nplain words"
	second, err := ParseLine([]byte(lines[1]))
	must(t, err)
	v := &Verifier{Head: &done.Head, From: second.Head(), Logs: true}
	must(t, v.Read(t.Context(), "log", strings.NewReader(log)))
	want := Report{Intact: true, Lines: 3, Records: 3, First: 3, Last: done.Head, Head: &done.Head, Findings: []Finding{}, Notes: []string{
		"what was written up to seq 2 is not looked at: it was said to be kept elsewhere"}}
	if diff := cmp.Diff(want, v.Finish()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	alone := &Verifier{Head: &done.Head, Logs: true}
	must(t, alone.Read(t.Context(), "log", strings.NewReader(log)))
	if r := alone.Finish(); len(r.Findings) != 1 || r.Findings[0].What != Removed || r.Findings[0].Seq != 1 {
		t.Errorf("the oldest lines are gone, and it found %+v", r.Findings)
	}
	second, err = ParseLine([]byte(lines[0]))
	must(t, err)
	gap := &Verifier{Head: &done.Head, From: second.Head(), Logs: true}
	must(t, gap.Read(t.Context(), "log", strings.NewReader(lines[1]+"\n"+lines[4]+"\n")))
	if r := gap.Finish(); len(r.Findings) != 1 || r.Findings[0].What != Removed || r.Findings[0].Seq != 3 {
		t.Errorf("lines of the middle are gone, and it found %+v", r.Findings)
	}
}

// TestALogWithoutLines: the reporter has just started, and archived nothing yet.
func TestALogWithoutLines(t *testing.T) {
	head := Head{Seq: 7, Hash: strings.Repeat("0f", 32)}
	v := &Verifier{Head: &head, Logs: true}
	must(t, v.Read(t.Context(), "log", strings.NewReader("{\"level\":\"info\"}\n")))
	want := Report{Intact: true, Head: &head, Findings: []Finding{}, Notes: []string{
		"there is no line of an archive in the log; the cluster knows of lines up to seq 7"}}
	if diff := cmp.Diff(want, v.Finish()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// flaky fails in the middle of one write.
type flaky struct {
	bytes.Buffer
	fails bool
}

func (f *flaky) Write(p []byte) (int, error) {
	if !f.fails {
		return f.Buffer.Write(p)
	}
	f.fails = false
	n, _ := f.Buffer.Write(p[:len(p)*3/4])
	return n, errors.New("the reader is gone")
}

func TestAWriteThatBrokeOff(t *testing.T) {
	out := &flaky{}
	s := &Stream{Out: out}
	done, err := s.Append(t.Context(), Head{}, noon(), deniedFrom(1, 1))
	must(t, err)
	out.fails = true
	_, err = s.Append(t.Context(), done.Head, noon(), deniedFrom(2, 3))
	if err == nil || err.Error() != "archiving to standard output: the reader is gone" {
		t.Errorf("Append() = %v", err)
	}
	done, err = s.Append(t.Context(), done.Head, noon(), deniedFrom(2, 3))
	must(t, err)
	v := &Verifier{Head: &done.Head, Logs: true}
	must(t, v.Read(t.Context(), "log", &out.Buffer))
	want := Report{Intact: true, Lines: 7, Records: 4, First: 1, Last: done.Head, Head: &done.Head, Findings: []Finding{}, Notes: []string{
		"log line 4 breaks off: the reporter was killed while it wrote, and archived the record again",
		"log line 5: the reporter started again after seq 2; it had not been told that the 1 lines after that were kept, and archived their records again"}}
	if diff := cmp.Diff(want, v.Finish()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestAFullDevice: what a full disk answers, from the kernel.
func TestAFullDevice(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatalf("opening the device that is always full: %v", err)
	}
	defer func() { _ = full.Close() }()
	_, err = (&Stream{Out: full}).Append(t.Context(), Head{}, noon(), deniedFrom(1, 1))
	if want := "archiving to standard output: write /dev/full: no space left on device"; err == nil || err.Error() != want {
		t.Errorf("Append() = %v, want %s", err, want)
	}
}
