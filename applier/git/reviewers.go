package git

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// What counts as a review (docs/decisions/0008-what-counts-as-a-review.md).
//
// A commit is *authored*, unless it is a *clean merge*: one whose tree is that of one
// of its parents, where that parent already had everything that the other parents
// have. A clean merge adds nothing; its signer has looked at the parent's tree and let
// it in. Any other merge made a tree that nobody has seen before, be it by a conflict
// resolved, by something slipped in, or by git itself: it is authored by its signer.
//
// Its authors are the principal that signed the commit and the address that it names as
// its author. Who wrote an unsigned commit, nobody knows: it may be the signer of the
// commit that is judged, so that one is an author of it too.
//
// Reviews are
//   - a signed clean merge, of all that it brought in; but not when its signer is an
//     author of any of that, or when any of that has no trusted signature;
//   - a signed tag, of the commit with its tree, and of all that leads to it; it is no
//     review of what its signer is an author of.
//
// Each authored commit that is judged needs as many persons among its reviews, besides
// its authors, as MinReviewers says. Judged are: with Range every commit of the range;
// always the commit itself and, where it is a clean merge, what it brought in, down to
// the authored commit that has its tree. So there is always one that needs reviews.

// reviewed asks for the reviews of all that is judged, and tells who reviewed the head.
func (j *judge) reviewed(judged map[string]bool, needed int) ([]string, error) {
	head, err := j.reach(j.head)
	if err != nil {
		return nil, err
	}
	area := maps.Clone(judged)
	maps.Copy(area, head)
	reviews, err := j.reviews(area)
	if err != nil {
		return nil, err
	}
	ordered, err := j.newest(area)
	if err != nil {
		return nil, err
	}
	var all []string
	first := true
	for _, c := range ordered {
		m, err := j.cleanMerge(c.hash)
		if err != nil {
			return nil, err
		}
		if m != nil {
			continue
		}
		authors, err := j.authors(c)
		if err != nil {
			return nil, err
		}
		names := j.trust.people.others(reviews[c.hash], authors)
		if len(names) < needed {
			return nil, j.refuse(j.missing(c, authors, names, needed))
		}
		if head[c.hash] {
			if all, first = intersect(all, names, first), false; len(all) == 0 && needed == 0 {
				break
			}
		}
	}
	return all, nil
}

// reach is the commit and, for a clean merge, what it brought in.
func (j *judge) reach(hash string) (map[string]bool, error) {
	m, err := j.cleanMerge(hash)
	if err != nil {
		return nil, err
	}
	area := map[string]bool{hash: true}
	if m != nil {
		maps.Copy(area, m.brought)
	}
	return area, nil
}

// authors are the signer of a commit and the address that it names.
func (j *judge) authors(c *change) ([]signer, error) {
	authors := []signer{{name: c.author}}
	v, err := j.signature(c.hash)
	if err != nil {
		return nil, err
	}
	if v.reason != "" {
		v = j.verdicts[j.head]
	}
	return append(authors, v.who), nil
}

// intersect keeps the names that both have.
func intersect(all, names []string, first bool) []string {
	if first {
		return names
	}
	return slices.DeleteFunc(slices.Clone(all), func(name string) bool { return !slices.Contains(names, name) })
}

// missing says what is missing, and what would do.
func (j *judge) missing(c *change, authors []signer, names []string, needed int) string {
	found := "none"
	if len(names) > 0 {
		found = strings.Join(names, ", ")
	}
	unit := "reviewer"
	if needed != 1 {
		unit = "reviewers"
	}
	var besides []string
	for _, author := range authors {
		known := slices.ContainsFunc(besides, func(name string) bool { return strings.EqualFold(name, author.name) })
		if author.name != "" && !known {
			besides = append(besides, author.name)
		}
	}
	slices.Sort(besides)
	text := fmt.Sprintf("%s needs %d %s besides %s, found %s; a signed merge with the same tree or a signed tag on it counts",
		j.call(c.hash), needed, unit, strings.Join(besides, " and "), found)
	if len(c.parents) > 1 {
		text += ". It is a merge with a tree of its own, which is a change like any other"
	}
	return text
}
