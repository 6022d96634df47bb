package git

import (
	"errors"
	"maps"
	"slices"
)

// merge is a clean merge: its tree is that of the parent that brought everything.
type merge struct {
	brought map[string]bool
}

// cleanMerge is nil for an authored commit.
func (j *judge) cleanMerge(hash string) (*merge, error) {
	if m, ok := j.merges[hash]; ok {
		return m, nil
	}
	c, err := j.change(hash)
	if err != nil {
		return nil, err
	}
	var found *merge
	for i, parent := range c.parents {
		others := slices.Delete(slices.Clone(c.parents), i, i+1)
		if len(others) == 0 || slices.Contains(others, parent) {
			continue // an ordinary commit, or a merge of something with itself
		}
		if found, err = j.broughtBy(c, parent, others); err != nil || found != nil {
			break
		}
	}
	if err != nil {
		return nil, err
	}
	j.merges[hash] = found
	return found, nil
}

// broughtBy is nil unless the parent has the merge's tree and everything that the
// others have. Where the parent is a clean merge itself, the same tree stands for what
// that one brought, too.
func (j *judge) broughtBy(c *change, parent string, others []string) (*merge, error) {
	p, err := j.change(parent)
	if err != nil {
		return nil, err
	}
	if p.tree == "" || p.tree != c.tree || c.malformed || p.malformed {
		return nil, nil
	}
	brought, held, err := j.between(j.ctx, parent, others)
	if err != nil || !held {
		return nil, err
	}
	inner, err := j.cleanMerge(parent)
	if err != nil {
		return nil, err
	}
	if inner != nil {
		maps.Copy(brought, inner.brought)
	}
	return &merge{brought: brought}, nil
}

// reviews are, by commit of the area, those who reviewed it; authors among them are not
// told apart yet.
func (j *judge) reviews(area map[string]bool) (map[string][]signer, error) {
	found := map[string][]signer{}
	for hash := range area {
		if err := j.addMerge(found, hash, area); err != nil {
			return nil, err
		}
	}
	return found, j.addTags(found, area)
}

func (j *judge) addMerge(found map[string][]signer, hash string, area map[string]bool) error {
	m, err := j.cleanMerge(hash)
	if err != nil || m == nil {
		return err
	}
	by, err := j.signature(hash)
	if err != nil || by.reason != "" {
		return err
	}
	for brought := range m.brought {
		stands, err := j.standsApart(by.who, brought)
		if err != nil || !stands {
			return err
		}
	}
	for brought := range m.brought {
		if area[brought] {
			found[brought] = append(found[brought], by.who)
		}
	}
	return nil
}

// standsApart tells whether somebody is surely no author of a commit.
func (j *judge) standsApart(who signer, hash string) (bool, error) {
	if m, err := j.cleanMerge(hash); err != nil || m != nil {
		return err == nil, err
	}
	v, err := j.signature(hash)
	if err != nil || v.reason != "" {
		return false, err
	}
	c, err := j.change(hash)
	if err != nil {
		return false, err
	}
	authors := []signer{{name: c.author}, v.who}
	return len(j.trust.people.others([]signer{who}, authors)) == 1, nil
}

// addTags adds the signed tags on a tree of the area. Only these are verified: a
// repository may have thousands.
func (j *judge) addTags(found map[string][]signer, area map[string]bool) error {
	byTree := map[string][]string{}
	for hash := range area {
		if c := j.changes[hash]; c != nil && !c.malformed {
			byTree[c.tree] = append(byTree[c.tree], hash)
		}
	}
	tags, err := j.objects.tags(j.ctx)
	if err != nil {
		return err
	}
	slices.Sort(tags)
	for _, tag := range slices.Compact(tags) {
		if err := j.ctx.Err(); err != nil {
			return err
		}
		l, tree, err := j.tagged(tag)
		if err != nil {
			return err
		}
		with := byTree[tree]
		if tree == "" || len(with) == 0 {
			continue
		}
		who, reason := j.trust.judge(l.signed)
		if reason != "" {
			continue
		}
		for hash := range j.leading(with, area) {
			found[hash] = append(found[hash], who)
		}
	}
	return nil
}

// tagged reads a signed tag and the tree of the commit that it names, if through other
// tags. What is no such tag, or names what the repository does not hold, has no tree.
func (j *judge) tagged(hash string) (outer label, tree string, err error) {
	for depth := range 8 { // tags of tags of tags
		kind, raw, err := j.objects.raw(hash)
		if errors.Is(err, errAbsent) {
			return label{}, "", nil
		}
		if err != nil {
			return label{}, "", err
		}
		if kind == "commit" && depth > 0 {
			if c := parseChange(hash, raw); !c.malformed {
				tree = c.tree
			}
			return outer, tree, nil
		}
		if kind != "tag" {
			return label{}, "", nil
		}
		inner, ok := parseLabel(raw)
		if depth == 0 {
			outer = inner
		}
		if !ok || outer.signed.signature == nil {
			return label{}, "", nil
		}
		hash = inner.object
	}
	return label{}, "", nil
}

// leading are the commits of the area that lead to some of its commits, themselves
// included.
func (j *judge) leading(to []string, area map[string]bool) map[string]bool {
	seen := map[string]bool{}
	for todo := slices.Clone(to); len(todo) > 0; {
		hash := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if !area[hash] || seen[hash] {
			continue
		}
		seen[hash] = true
		if c := j.changes[hash]; c != nil {
			todo = append(todo, c.parents...)
		}
	}
	return seen
}
