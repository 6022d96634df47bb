package git

import (
	"container/heap"
	"context"
	"slices"

	"github.com/go-git/go-git/v5/plumbing"
)

// Walk visits the history of a commit, the commit itself included, newest first by the committers' dates, each once,
// and none before one of its children. It ends when visit says so. A commit is read when it is
// visited, and nothing is kept but hashes. Where somebody's clone is shallow, history ends there.
func (r *Repository) Walk(ctx context.Context, from string, visit func(Commit) (proceed bool, err error)) error {
	first, err := r.Commit(from)
	if err != nil {
		return err
	}
	cut := r.current().cut
	seen := map[plumbing.Hash]bool{plumbing.NewHash(from): true}
	for next := (byDate{first}); len(next) > 0; {
		commit := heap.Pop(&next).(Commit)
		proceed, err := visit(commit)
		if err != nil || !proceed {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if cut[plumbing.NewHash(commit.Hash)] {
			continue
		}
		for _, parent := range commit.Parents {
			hash := plumbing.NewHash(parent)
			if seen[hash] {
				continue
			}
			seen[hash] = true
			content, err := r.needed(parent, plumbing.CommitObject)
			if err != nil {
				return err
			}
			before, err := parseCommit(parent, content)
			if err != nil {
				return err
			}
			heap.Push(&next, before)
		}
	}
	return nil
}

// byDate is a heap of commits, the newest on top; of two of one second the one that came first by hash, so that the
// order is always the same.
type byDate []Commit

func (b byDate) Len() int      { return len(b) }
func (b byDate) Swap(i, j int) { b[i], b[j] = b[j], b[i] }
func (b byDate) Less(i, j int) bool {
	if order := b[i].Committer.When.Compare(b[j].Committer.When); order != 0 {
		return order > 0
	}
	return b[i].Hash < b[j].Hash
}
func (b *byDate) Push(c any) { *b = append(*b, c.(Commit)) }
func (b *byDate) Pop() any {
	last := (*b)[len(*b)-1]
	*b = (*b)[:len(*b)-1]
	return last
}

// IsAncestor says whether the new commit's history holds the old one; a commit is its own ancestor. The new one must
// be on disk, with its history. An old one that isn't on disk is none of its ancestors.
func (r *Repository) IsAncestor(ctx context.Context, old, new string) (bool, error) {
	return r.reaches(ctx, []string{new}, old)
}

// reaches says whether any of these histories holds a commit.
func (r *Repository) reaches(ctx context.Context, from []string, wanted string) (bool, error) {
	seen := map[string]bool{}
	for next := slices.Clone(from); len(next) > 0; {
		hash := next[len(next)-1]
		next = next[:len(next)-1]
		if hash == wanted {
			return true, nil
		}
		if seen[hash] {
			continue
		}
		seen[hash] = true
		if err := ctx.Err(); err != nil {
			return false, err
		}
		commit, err := r.Commit(hash)
		if err != nil {
			return false, err
		}
		if !r.current().cut[plumbing.NewHash(hash)] {
			next = append(next, commit.Parents...)
		}
	}
	return false, nil
}

// TreeHash returns git's hash of a file or folder of a commit: two commits with the same one hold the same there.
// False when there is none. It reads one tree for each step of the path, and no file; links are not followed.
func (r *Repository) TreeHash(commit, path string) (string, bool, error) {
	c, err := r.Commit(commit)
	if err != nil {
		return "", false, err
	}
	return r.hashBelow(c.Tree, path)
}
