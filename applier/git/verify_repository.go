package git

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
)

// Verify judges a commit that is on disk, by the tags that are there with it. Its
// verdict is an [*UnverifiedError]; any other error means that it could not judge.
func (r *Repository) Verify(ctx context.Context, d Demand) (Verified, error) {
	return verify(ctx, onDisk{r}, d)
}

// onDisk reads a repository's objects for verification.
type onDisk struct{ repository *Repository }

// raw also compares the content with its hash: a local repository's loose objects are
// whatever somebody left in these files.
func (o onDisk) raw(hash string) (string, []byte, error) {
	kind, content, err := o.repository.object(hash)
	if errors.Is(err, ErrCommitNotFound) {
		return "", nil, fmt.Errorf("%w: %w", errAbsent, err)
	}
	if err != nil {
		return "", nil, err
	}
	if kind != plumbing.CommitObject && kind != plumbing.TagObject {
		return kind.String(), nil, nil // nobody reads these here
	}
	if plumbing.ComputeHash(kind, content).String() != hash {
		return "", nil, o.repository.damaged(hash, errors.New("its content has another hash"))
	}
	return kind.String(), content, nil
}

func (o onDisk) tags(context.Context) (hashes []string, err error) {
	d := o.repository.current()
	if d == nil {
		return nil, nil
	}
	references, err := d.references()
	if err != nil {
		return nil, fmt.Errorf("reading the tags on disk: %w", err)
	}
	for name, hash := range references.names {
		if strings.HasPrefix(name, tags) {
			hashes = append(hashes, hash)
		}
	}
	return hashes, nil
}
