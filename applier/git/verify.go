package git

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// verify judges a commit by trust roots that are no part of the repository.
//
// The commit itself is always judged. Range judges besides it every commit that it has
// and Since has not; after a rewritten history, those since the merge base. What a
// review is, and whom it covers: reviewers.go.
//
// A verdict is the same on every machine and at any time: no clock is asked, only the
// times in the commits and signatures.
func verify(ctx context.Context, from objects, d Demand) (Verified, error) {
	trust, err := readTrust(d.Trust)
	if err != nil {
		return Verified{}, &UnverifiedError{Commit: d.Commit, Reason: "nothing is trusted: " + err.Error()}
	}
	j := &judge{
		ctx: ctx, trust: trust, head: d.Commit,
		history:  history{objects: from, changes: map[string]*change{}},
		verdicts: map[string]verdict{},
		merges:   map[string]*merge{},
	}
	judged := map[string]bool{}
	if d.Range {
		if judged, err = j.since(ctx, d.Commit, d.Since); err != nil {
			return Verified{}, err
		}
	}
	judged[d.Commit] = true
	if err := j.allSigned(judged); err != nil {
		return Verified{}, err
	}
	if d.MinReviewers == 0 {
		judged = map[string]bool{d.Commit: true} // reviewers are still told
	}
	reviewers, err := j.reviewed(judged, d.MinReviewers)
	if err != nil {
		return Verified{}, err
	}
	head := j.verdicts[d.Commit].who
	return Verified{Commit: d.Commit, Signer: head.name, Key: head.key, Reviewers: reviewers}, nil
}

// judge judges one demand.
type judge struct {
	ctx context.Context
	history
	trust    *trust
	head     string
	verdicts map[string]verdict
	merges   map[string]*merge
}

// verdict is what became of one commit's signature: a signer, or a reason.
type verdict struct {
	who    signer
	reason string
}

func (j *judge) signature(hash string) (verdict, error) {
	if v, ok := j.verdicts[hash]; ok {
		return v, nil
	}
	if err := j.ctx.Err(); err != nil {
		return verdict{}, err
	}
	s, reason, err := j.signedCommit(hash)
	if err != nil {
		return verdict{}, err
	}
	v := verdict{reason: reason}
	if reason == "" {
		v.who, v.reason = j.trust.judge(s)
	}
	j.verdicts[hash] = v
	return v, nil
}

// allSigned asks for a trusted signature on each, and names the head first, else the
// newest that has none.
func (j *judge) allSigned(judged map[string]bool) error {
	first, reason, bad := "", "", 0
	ordered, err := j.newest(judged)
	if err != nil {
		return err
	}
	for _, c := range ordered {
		v, err := j.signature(c.hash)
		if err != nil {
			return err
		}
		if v.reason == "" {
			continue
		}
		if bad++; first == "" || c.hash == j.head {
			first, reason = c.hash, v.reason
		}
	}
	if bad == 0 {
		return nil
	}
	text := fmt.Sprintf("%s %s", j.call(first), reason)
	switch {
	case bad == 2:
		text += "; 1 more does not hold"
	case bad > 2:
		text += fmt.Sprintf("; %d more do not hold", bad-1)
	}
	return j.refuse(text)
}

// newest puts commits in order, the newest first.
func (j *judge) newest(hashes map[string]bool) ([]*change, error) {
	ordered := newestFirst{}
	for _, hash := range slices.Sorted(maps.Keys(hashes)) {
		c, err := j.change(hash)
		if err != nil {
			return nil, err
		}
		ordered = append(ordered, c)
	}
	slices.SortStableFunc(ordered, func(a, b *change) int { return b.when.Compare(a.when) })
	return ordered, nil
}

// call names a commit for people.
func (j *judge) call(hash string) string {
	if hash == j.head {
		return "commit " + abbreviated(hash)
	}
	return fmt.Sprintf("commit %s, which %s brings,", abbreviated(hash), abbreviated(j.head))
}

func (j *judge) refuse(reason string) error {
	return &UnverifiedError{Commit: j.head, Reason: strings.TrimSpace(reason)}
}

func abbreviated(hash string) string { return hash[:min(7, len(hash))] }
