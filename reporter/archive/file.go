package archive

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

// File keeps lines in a file, which it holds locked from its first use on. A line is
// on the disk when Append returns. Its fields are set before the first use; one
// goroutine at a time may use it.
//
// Whoever moves the file away, to keep it elsewhere, needs to tell nobody: the next
// lines go into a new one that goes on from there.
type File struct {
	Path string

	file *os.File
	size int64 // up to the end of the last whole line
	last Head

	// shrunk says that lines were cut off under our hands, until that is written down.
	shrunk bool
}

// SinkFile is the name of a [File]'s chain.
const SinkFile = "file"

// Append writes the records. known is the end of the chain that the cluster knows.
func (f *File) Append(_ context.Context, known Head, at time.Time, records []*v1alpha1.ChangeRecord) (Appended, error) {
	repaired, err := f.ready()
	if err != nil {
		return Appended{}, err
	}
	from, because := Meet(f.last, known)
	if f.size > 0 && f.last.Seq == 0 || f.shrunk {
		because = becauseEnd // its last line can't be read, was edited, or was cut off
	}
	done := Appended{Repaired: repaired, Written: len(records)}
	c := chain{head: from, at: at}
	if because != "" {
		if err := c.start(SinkFile, because); err != nil {
			return Appended{}, err
		}
		if BrokenBy(because) {
			done.Broken = fmt.Sprintf("%s: it ends with line %s, and the cluster knows of %s", because, f.last, known)
		}
	}
	if err := c.records(records); err != nil {
		return Appended{}, err
	}
	if err := f.write(c.out.Bytes()); err != nil {
		return Appended{}, fmt.Errorf("archiving to %s: %w", f.Path, err)
	}
	f.last, f.shrunk, done.Head = c.head, false, c.head
	return done, nil
}

// write puts whole lines on the disk, or leaves the file as it was. What can't be
// taken back is repaired when the file is opened again.
func (f *File) write(lines []byte) error {
	_, err := f.file.WriteAt(lines, f.size)
	if err == nil {
		err = f.file.Sync()
	}
	if err != nil {
		_ = f.file.Truncate(f.size) // the disk may be full; a file can shrink on it
		f.forget()
		return err
	}
	f.size += int64(len(lines))
	return nil
}

// ready sees to it that the open file is the one at the path, locked, and ends with a
// whole line.
func (f *File) ready() (repaired string, err error) {
	if f.file != nil {
		at, errAt := os.Stat(f.Path)
		ours, errOurs := f.file.Stat()
		if errAt == nil && errOurs == nil && os.SameFile(at, ours) {
			if ours.Size() == f.size {
				return "", nil
			}
			f.shrunk = f.shrunk || ours.Size() < f.size // nobody moves lines away like that
		}
		f.forget() // moved away, or somebody wrote to it
	}
	file, err := openLocked(f.Path)
	if err != nil {
		return "", fmt.Errorf("opening the archive %s: %w", f.Path, err)
	}
	end, err := mend(file)
	if err != nil {
		_ = file.Close() // nothing was written
		return "", fmt.Errorf("reading the end of the archive %s: %w", f.Path, err)
	}
	f.file, f.size, f.last = file, end.size, end.last
	return end.repaired, nil
}

func (f *File) forget() {
	if f.file != nil {
		_ = f.file.Close() // what counts was synced
	}
	f.file, f.size, f.last = nil, 0, Head{}
}

// Close gives the file free for another process.
func (f *File) Close() error {
	f.forget()
	return nil
}

// openLocked opens the file for this process alone, and makes it where it is missing.
func openLocked(path string) (*os.File, error) {
	_, before := os.Stat(path)
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	info, err := file.Stat()
	switch {
	case err != nil:
	case !info.Mode().IsRegular():
		err = fmt.Errorf("it is no regular file but %s; without a file, archive to standard output", info.Mode().Type())
	default:
		err = lock(file)
	}
	if err == nil && os.IsNotExist(before) {
		err = syncFolder(filepath.Dir(path)) // or a crash may take the name away with the lines
	}
	if err != nil {
		_ = file.Close()
		return nil, err
	}
	return file, nil
}

func syncFolder(path string) error {
	folder, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = folder.Close() }() // read only
	return folder.Sync()
}

var _ io.Closer = (*File)(nil)
