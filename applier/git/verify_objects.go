package git

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// objects is what verification reads of a repository: bytes as git keeps them, since a
// signature is over these.
type objects interface {
	// raw is an object's kind (commit, tag, tree, blob) and content; errAbsent when the
	// repository does not hold it.
	raw(hash string) (kind string, content []byte, err error)
	// tags are the objects that the references below refs/tags hold.
	tags(ctx context.Context) (hashes []string, err error)
}

// errAbsent: the repository does not hold an object.
var errAbsent = errors.New("the repository does not hold it")

// change is a commit as verification sees it.
type change struct {
	hash      string
	tree      string
	parents   []string
	author    string // e-mail, by their own word
	when      time.Time
	malformed bool // its headers are not in git's order, so that two readers may differ
}

// parseChange reads the headers in the order in which git writes them. Out of order
// they are read as far as walking needs, and such a commit is never trusted: another
// reader might take its second tree for the first.
func parseChange(hash string, raw []byte) *change {
	c := &change{hash: hash}
	stages := []string{"tree", "parent", "author", "committer", ""}
	stage, seen := 0, map[string]int{}
	for _, line := range headerLines(raw) {
		name, value, _ := strings.Cut(line, " ")
		at := len(stages) - 1
		for i, known := range stages[:at] {
			if name == known {
				at = i
			}
		}
		c.malformed = c.malformed || at < stage || at > stage+1 && !(stage == 0 && at == 2)
		stage = max(stage, at)
		if seen[name]++; seen[name] > 1 && at < len(stages)-1 && name != "parent" {
			c.malformed = true
			continue
		}
		switch name {
		case "tree":
			c.tree = value
		case "parent":
			c.parents = append(c.parents, value)
		case "author":
			c.author, _ = identity(value)
		case "committer":
			_, c.when = identity(value)
		}
	}
	if seen["tree"] == 0 || seen["author"] == 0 || seen["committer"] == 0 {
		c.malformed = true
	}
	return c
}

// history reads commits, each once.
type history struct {
	objects objects
	changes map[string]*change
}

func (h *history) change(hash string) (*change, error) {
	if c, ok := h.changes[hash]; ok {
		return c, nil
	}
	raw, err := h.commit(hash)
	if err != nil {
		return nil, err
	}
	c := parseChange(hash, raw)
	h.changes[hash] = c
	return c, nil
}

func (h *history) commit(hash string) ([]byte, error) {
	kind, raw, err := h.objects.raw(hash)
	if err != nil {
		return nil, fmt.Errorf("reading commit %s: %w", hash, err)
	}
	if kind != "commit" {
		return nil, fmt.Errorf("reading commit %s: it is a %s", hash, kind)
	}
	return raw, nil
}

// signedCommit takes a commit apart for judging; a reason says why it can't be.
func (h *history) signedCommit(hash string) (s signed, reason string, err error) {
	raw, err := h.commit(hash)
	if err != nil {
		return signed{}, "", err
	}
	if parseChange(hash, raw).malformed {
		return signed{}, "is malformed: its headers are not in git's order", nil
	}
	payload, signature, more := splitCommit(raw, signatureHeader(hash))
	if more {
		return signed{}, "carries more than one signature", nil
	}
	s = signed{payload: payload, signature: signature}
	for _, line := range headerLines(raw) {
		if value, ok := strings.CutPrefix(line, "committer "); ok {
			s.email, s.when = identity(value)
		}
	}
	return s, "", nil
}

// label is an annotated tag as verification sees it.
type label struct {
	object, kind string
	signed       signed
}

// parseLabel reads a raw tag; false when its headers are not as git writes them.
func parseLabel(raw []byte) (l label, ok bool) {
	lines := headerLines(raw)
	if len(lines) < 3 {
		return label{}, false
	}
	var isObject, isKind, isTag bool
	l.object, isObject = strings.CutPrefix(lines[0], "object ")
	l.kind, isKind = strings.CutPrefix(lines[1], "type ")
	_, isTag = strings.CutPrefix(lines[2], "tag ")
	l.signed.payload, l.signed.signature = splitTag(raw)
	if len(lines) > 3 {
		if tagger, ok := strings.CutPrefix(lines[3], "tagger "); ok {
			l.signed.email, l.signed.when = identity(tagger)
		}
	}
	return l, isObject && isKind && isTag
}
