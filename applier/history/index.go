package history

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/gitlatch/gitlatch/applier/desired"
)

// indexVersion changes with the form of a file, and with what its content means.
const indexVersion = 1

// Bounds of an index: files of it, and commits that one speaks of.
const (
	maxFiles   = 2000
	maxCommits = 50_000
)

// Index is a folder in which answers are kept, a file for each object. It is safe to
// delete at any time, and shared by processes: a file is written whole or not at all,
// and one that can't be read is written anew.
//
// What is kept is about commits by their hash, the folder, how it is rendered and the
// object. A commit's hash stands for its whole history, so no answer ever gets old.
// What a shallow clone says is not kept.
type Index struct {
	Dir string // made when it is missing
	// Version of whatever renders: another one may render the same folder in another way.
	Version string
}

// findings are what is known of one object.
type findings struct {
	Version int                `json:"version"`
	Leads   map[string]lead    `json:"leads"`
	Changes map[string]finding `json:"changes"`

	file    string // where they are kept
	before  int    // how many there were
	shallow bool   // some rest on what is missing
}

// lead goes from a commit to the one that changed the object last.
type lead struct {
	Declared bool   `json:"declared,omitempty"`
	File     string `json:"file,omitempty"`
	Change   string `json:"change,omitempty"` // "": the object was never declared
}

// finding is a commit that changed the object.
type finding struct {
	Kind Kind     `json:"kind"`
	File string   `json:"file"`
	Next []string `json:"next,omitempty"` // where the way goes on

	shallow bool
}

func newFindings(file string) *findings {
	return &findings{Version: indexVersion, Leads: map[string]lead{}, Changes: map[string]finding{}, file: file}
}

// load returns what is known, which is nothing when it can't be read.
func (x *Index) load(folder string, options desired.Options, object Object) *findings {
	if x == nil {
		return newFindings("")
	}
	options.Path, options.Keys = folder, desired.Keys{}
	key, err := json.Marshal([]any{indexVersion, x.Version, options, object})
	if err != nil {
		return newFindings("")
	}
	sum := sha256.Sum256(key)
	f := newFindings(filepath.Join(x.Dir, hex.EncodeToString(sum[:])+".json"))
	content, err := os.ReadFile(f.file)
	if err != nil {
		return f
	}
	kept := newFindings(f.file)
	if json.Unmarshal(content, kept) != nil || !kept.sound() {
		return f
	}
	kept.before = len(kept.Leads) + len(kept.Changes)
	return kept
}

// sound says whether what was read hangs together.
func (f *findings) sound() bool {
	if f.Version != indexVersion || f.Leads == nil || f.Changes == nil {
		return false
	}
	for _, l := range f.Leads {
		if _, ok := f.Changes[l.Change]; l.Change != "" && !ok {
			return false
		}
	}
	return true
}

// save keeps what was found. It is a help, and no failure to give it is an error.
func (x *Index) save(f *findings) {
	size := len(f.Leads) + len(f.Changes)
	if x == nil || f.file == "" || f.shallow || size == f.before || size > maxCommits {
		return
	}
	content, err := json.Marshal(f)
	if err != nil || os.MkdirAll(x.Dir, 0o700) != nil {
		return
	}
	temporary, err := os.CreateTemp(x.Dir, "new-*")
	if err != nil {
		return
	}
	_, err = temporary.Write(content)
	err = errors.Join(err, temporary.Close())
	if err == nil {
		err = os.Rename(temporary.Name(), f.file)
	}
	if err != nil {
		_ = os.Remove(temporary.Name()) // best effort: the next bounding takes it
	}
	x.bound()
}

// bound deletes the oldest files when there are too many.
func (x *Index) bound() {
	entries, err := os.ReadDir(x.Dir)
	if err != nil || len(entries) <= maxFiles {
		return
	}
	var infos []fs.FileInfo
	for _, entry := range entries {
		if info, err := entry.Info(); err == nil {
			infos = append(infos, info)
		}
	}
	slices.SortFunc(infos, func(a, b fs.FileInfo) int { return a.ModTime().Compare(b.ModTime()) })
	for _, info := range infos[:max(0, len(infos)-maxFiles*9/10)] {
		_ = os.Remove(filepath.Join(x.Dir, info.Name())) // somebody else may have
	}
}
