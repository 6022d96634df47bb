package archive

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestAFileGoesOnWhereItEnded(t *testing.T) {
	path, head := archiveOf(t, 3)
	f := &File{Path: path}
	for from := 4; from <= 6; from += 2 { // once after opening, once while open
		done, err := f.Append(t.Context(), head, noon(), deniedFrom(from, from+1))
		must(t, err)
		if want := (Appended{Head: done.Head, Written: 2}); done != want {
			t.Errorf("Append() = %+v, want %+v", done, want)
		}
		head = done.Head
	}
	must(t, f.Close())
	intact(t, path, head, 7)
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file is %v, %v", info.Mode(), err)
	}
}

// TestAKillAtAnyByte: wherever the last write broke off, no confirmed line is lost and
// the archive is intact afterwards.
func TestAKillAtAnyByte(t *testing.T) {
	path, head := archiveOf(t, 2)
	confirmed := read(t, path)
	f := &File{Path: path}
	_, err := f.Append(t.Context(), head, noon(), deniedFrom(3, 3))
	must(t, err)
	must(t, f.Close())
	whole := read(t, path)
	for cut := len(confirmed); cut <= len(whole); cut++ {
		write(t, path, whole[:cut])
		f := &File{Path: path}
		done, err := f.Append(t.Context(), head, noon(), deniedFrom(3, 4))
		must(t, err)
		must(t, f.Close())
		want, records := Appended{Head: done.Head, Written: 2}, int64(4)
		switch {
		case cut == len(whole):
			records = 5 // nobody had been told that cr-0003 was kept: it is there twice
		case cut == len(whole)-1:
			records, want.Repaired = 5, "the last line lacked its end"
		case cut > len(confirmed):
			want.Repaired = fmt.Sprintf("%d bytes of a line that was not written to its end are cut off", cut-len(confirmed))
		}
		if diff := cmp.Diff(want, done); diff != "" {
			t.Fatalf("cut at %d (-want +got):\n%s", cut, diff)
		}
		intact(t, path, done.Head, records)
	}
}

// TestAPowerCut: a disk may keep a file's length and not its bytes.
func TestAPowerCut(t *testing.T) {
	path, head := archiveOf(t, 2)
	write(t, path, append(read(t, path), make([]byte, 4096)...))
	f := &File{Path: path}
	done, err := f.Append(t.Context(), head, noon(), deniedFrom(3, 3))
	must(t, err)
	if want := "4096 bytes of a line that was not written to its end are cut off"; done.Repaired != want {
		t.Errorf("Repaired = %q, want %q", done.Repaired, want)
	}
	intact(t, path, done.Head, 3)
}

// TestWhatSomebodyElseWroteStays: it is no part of a line, so it is not ours to cut off.
func TestWhatSomebodyElseWroteStays(t *testing.T) {
	path, head := archiveOf(t, 2)
	write(t, path, append(read(t, path), "a note"...))
	f := &File{Path: path}
	done, err := f.Append(t.Context(), head, noon(), deniedFrom(3, 3))
	must(t, err)
	if done.Broken == "" || !strings.Contains(string(read(t, path)), "\na note\n") {
		t.Errorf("Append() = %+v, and the file is %s", done, read(t, path))
	}
	if r := verified(t, read(t, path), &done.Head); r.Intact {
		t.Error("the archive is intact")
	}
}

func TestASecondWriterIsKeptOut(t *testing.T) {
	path, head := archiveOf(t, 1)
	first, second := &File{Path: path}, &File{Path: path}
	done, err := first.Append(t.Context(), head, noon(), deniedFrom(2, 2))
	must(t, err)
	_, err = second.Append(t.Context(), done.Head, noon(), deniedFrom(3, 3))
	if want := "opening the archive " + path + ": another process writes to it"; err == nil || err.Error() != want {
		t.Errorf("Append() = %v, want %s", err, want)
	}
	must(t, first.Close())
	done, err = second.Append(t.Context(), done.Head, noon(), deniedFrom(3, 3))
	must(t, err)
	intact(t, path, done.Head, 3)
}

// TestAFileThatIsMovedAway: the next lines go into a new one, and both are one chain.
func TestAFileThatIsMovedAway(t *testing.T) {
	path, head := archiveOf(t, 1)
	f := &File{Path: path}
	done, err := f.Append(t.Context(), head, noon(), deniedFrom(2, 2))
	must(t, err)
	must(t, os.Rename(path, path+".1"))
	done, err = f.Append(t.Context(), done.Head, noon(), deniedFrom(3, 3))
	must(t, err)
	both := append(read(t, path+".1"), read(t, path)...)
	if r := verified(t, both, &done.Head); !r.Intact || r.Records != 3 || r.Last != done.Head || len(r.Notes) != 0 {
		t.Errorf("both files: %+v", r)
	}
	r := verified(t, read(t, path), &done.Head)
	if want := []Finding{{What: Removed, File: "a", Line: 1, Seq: 1,
		Detail: "lines with seq 1 to 3 are missing before it; if they are kept elsewhere, name these files first, or say --from which line it goes on"}}; r.Intact || !cmp.Equal(want, r.Findings) {
		t.Errorf("the second alone: %+v", r)
	}
	moved := verified(t, read(t, path+".1"), nil).Last
	for name, tc := range map[string]struct {
		from  Head
		found []What
	}{
		"after the line that it goes on from":    {moved, nil},
		"after another line with its number":     {Head{Seq: moved.Seq, Hash: done.Head.Hash}, []What{Edited}},
		"after an earlier line":                  {head, []What{Removed}},
		"after a later line, which is not there": {Head{Seq: 9, Hash: moved.Hash}, []What{Edited}},
	} {
		t.Run(name, func(t *testing.T) {
			v := &Verifier{From: tc.from}
			must(t, v.Read(t.Context(), "a", bytes.NewReader(read(t, path))))
			var found []What
			for _, f := range v.Finish().Findings {
				found = append(found, f.What)
			}
			if diff := cmp.Diff(tc.found, found); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestAFileThatShrinksUnderItsWriter: nobody moved it away.
func TestAFileThatShrinksUnderItsWriter(t *testing.T) {
	for name, lines := range map[string]int{"to nothing": 0, "by a line": 2} {
		t.Run(name, func(t *testing.T) {
			path, head := archiveOf(t, 1)
			f := &File{Path: path}
			done, err := f.Append(t.Context(), head, noon(), deniedFrom(2, 2))
			must(t, err)
			left := strings.Join(strings.SplitAfter(string(read(t, path)), "\n")[:lines], "")
			must(t, os.Truncate(path, int64(len(left))))
			done, err = f.Append(t.Context(), done.Head, noon(), deniedFrom(3, 3))
			must(t, err)
			if done.Broken == "" || done.Head.Seq != 5 {
				t.Errorf("Append() = %+v", done)
			}
			if r := verified(t, read(t, path), &done.Head); len(r.Findings) != 1 || r.Findings[0].What != Removed {
				t.Errorf("found %+v", r.Findings)
			}
			again, err := f.Append(t.Context(), done.Head, noon(), deniedFrom(4, 4))
			must(t, err)
			if again.Broken != "" {
				t.Errorf("it says so again: %+v", again)
			}
		})
	}
}

// TestLinesThatSomebodyAdded: what a killed process leaves is taken for the reporter's,
// and no more than that.
func TestLinesThatSomebodyAdded(t *testing.T) {
	for _, added := range []int{maxSurplus, maxSurplus + 1} {
		path, head := archiveOf(t, 2)
		c := chain{head: head, at: noon()}
		must(t, c.records(deniedFrom(3, 2+added)))
		write(t, path, append(read(t, path), c.out.Bytes()...))
		done, err := (&File{Path: path}).Append(t.Context(), head, noon(), deniedFrom(200, 200))
		must(t, err)
		r := verified(t, read(t, path), &done.Head)
		if adopted := added == maxSurplus; r.Intact != adopted || (done.Broken == "") != adopted {
			t.Errorf("%d lines were added: %+v, and the archive is %+v", added, done, r)
		} else if !adopted && (done.Head.Seq != head.Seq+2 || r.Findings[0].What != Inserted) {
			t.Errorf("it went on with %+v, and found %+v", done, r.Findings)
		}
	}
}

// TestAnEndThatIsNotWhereItWasLeft: the writer says so, and goes on so that it shows.
func TestAnEndThatIsNotWhereItWasLeft(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(lines []string) []string
		want   What
	}{
		"the last lines are cut off": {func(lines []string) []string { return lines[:2] }, Removed},
		"the last line is edited": {func(lines []string) []string {
			lines[3] = strings.Replace(lines[3], "alice", "mallory", 1)
			return lines
		}, Edited},
		"the last line is written anew": {func(lines []string) []string {
			before, err := ParseLine([]byte(lines[2]))
			must(t, err)
			lines[3], _ = forged(t, strings.Replace(lines[3], "alice", "mallory", 1), before.Head())
			return lines
		}, Edited},
	} {
		t.Run(name, func(t *testing.T) {
			path, head := archiveOf(t, 3)
			lines := tc.change(linesOf(read(t, path)))
			write(t, path, []byte(strings.Join(lines, "\n")+"\n"))
			f := &File{Path: path}
			done, err := f.Append(t.Context(), head, noon(), deniedFrom(4, 4))
			must(t, err)
			if done.Broken == "" || done.Head.Seq != head.Seq+2 {
				t.Errorf("Append() = %+v", done)
			}
			r := verified(t, read(t, path), &done.Head)
			if len(r.Findings) != 1 || r.Findings[0].What != tc.want {
				t.Errorf("found %+v, want it to be %s", r.Findings, tc.want)
			}
		})
	}
}

func TestFilesThatAreNone(t *testing.T) {
	dir := t.TempDir()
	for name, tc := range map[string]struct{ path, want string }{
		"a folder": {dir, "opening the archive " + dir + ": open " + dir + ": is a directory"},
		"in a folder that is not there": {filepath.Join(dir, "no", "a"),
			"opening the archive " + filepath.Join(dir, "no", "a") + ": open " + filepath.Join(dir, "no", "a") + ": no such file or directory"},
		"a device": {"/dev/null", "opening the archive /dev/null: it is no regular file but Dc---------; without a file, archive to standard output"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := (&File{Path: tc.path}).Append(t.Context(), Head{}, noon(), deniedFrom(1, 1))
			if err == nil || err.Error() != tc.want {
				t.Errorf("Append() = %v, want %s", err, tc.want)
			}
		})
	}
}
