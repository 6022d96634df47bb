package git

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/Masterminds/semver/v3"
	"github.com/go-git/go-git/v5/plumbing"
)

// String names the ref for people.
func (r Ref) String() string {
	switch {
	case r.Commit != "":
		return "commit " + r.Commit
	case r.Tag != "":
		return "tag " + r.Tag
	case r.Semver != "":
		return "a tag with a version in " + r.Semver
	case r.Branch != "":
		return "branch " + r.Branch
	}
	return "HEAD"
}

// resolve says what a ref names among references; where is for the error. What it names may be an annotated tag of
// unknown target: then Commit is "".
func (r references) resolve(ref Ref, where string) (Revision, error) {
	if ref.Commit != "" {
		if !plumbing.IsHash(ref.Commit) || len(ref.Commit) != 40 {
			return Revision{}, problem(ErrRefNotFound, "reading %s: %q is no full hash of a commit", where, ref.Commit)
		}
		return Revision{Object: ref.Commit, Commit: ref.Commit, Tags: r.digest()}, nil
	}
	name, err := r.find(ref, where)
	if err != nil {
		return Revision{}, err
	}
	object, ok := r.names[name]
	if !ok {
		return Revision{}, problem(ErrRefNotFound, "reading %s: there is no %s", where, ref)
	}
	found := Revision{Name: name, Object: object, Tags: r.digest()}
	switch peeled, ok := r.peeled[name]; {
	case ok:
		found.Commit = peeled
	case !strings.HasPrefix(name, tags):
		found.Commit = object
	}
	return found, nil
}

func (r references) find(ref Ref, where string) (string, error) {
	switch {
	case ref.Tag != "":
		return tags + strings.TrimPrefix(ref.Tag, tags), nil
	case ref.Semver != "":
		return r.newest(ref.Semver, where)
	case ref.Branch != "":
		short := strings.TrimPrefix(ref.Branch, branches)
		if remote := "refs/remotes/origin/" + short; r.names[branches+short] == "" && r.names[remote] != "" {
			return remote, nil // in somebody's clone
		}
		return branches + short, nil
	case r.head != "":
		if _, ok := r.names[r.head]; !ok {
			return "", problem(ErrRefNotFound, "reading %s: HEAD names %s, which doesn't exist: name a branch", where, r.head)
		}
		return r.head, nil
	}
	return "HEAD", nil
}

// newest returns the tag with the highest version in a range. Only whole versions count, such as 1.2.3 and v1.2.3:
// a tag like 20260101 is a date. Of two tags of one version the later by name wins, so that it is always the same.
func (r references) newest(constraint, where string) (string, error) {
	wanted, err := semver.NewConstraint(constraint)
	if err != nil {
		return "", problem(ErrRefNotFound, "reading %s: %q is no range of versions: %v", where, constraint, err)
	}
	var best *semver.Version
	var name string
	for _, tag := range slices.Sorted(maps.Keys(r.tags())) {
		version, err := semver.StrictNewVersion(strings.TrimPrefix(strings.TrimPrefix(tag, tags), "v"))
		if err == nil && wanted.Check(version) && (best == nil || !version.LessThan(best)) {
			best, name = version, tag
		}
	}
	if best == nil {
		return "", problem(ErrRefNotFound, "reading %s: none of %d tags is a version in %q", where, len(r.tags()), constraint)
	}
	return name, nil
}

// digest changes whenever a tag is added, moved or removed.
func (r references) digest() string {
	hash := sha256.New()
	all := r.tags()
	for _, name := range slices.Sorted(maps.Keys(all)) {
		fmt.Fprintln(hash, name, all[name])
	}
	return hex.EncodeToString(hash.Sum(nil)[:16])
}
