package git

import (
	"testing"
)

func BenchmarkWalk(b *testing.B) {
	repo, _ := longHistory(b)
	r, err := Open(repo.Bare)
	if err != nil {
		b.Fatal(err)
	}
	head, err := repo.Head()
	if err != nil {
		b.Fatal(err)
	}
	for _, test := range []struct {
		name  string
		visit func(Commit) (bool, error)
	}{
		{"commits", func(Commit) (bool, error) { return true, nil }},
		{"with the hash of a file", func(c Commit) (bool, error) {
			_, _, err := r.TreeHash(c.Hash, "clusters/prod/team-07/app-0700.yaml")
			return true, err
		}},
	} {
		b.Run(test.name, func(b *testing.B) {
			for b.Loop() {
				if err := r.Walk(b.Context(), head, test.visit); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
