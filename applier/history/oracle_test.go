package history

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gitlatch/gitlatch/applier/desired"
	"github.com/gitlatch/gitlatch/applier/git"
)

// TestTheAnswerIsThatOfRenderingEveryCommit compares with an oracle that leaves out nothing, on random histories.
// HISTORY_SEED repeats one of them, HISTORY_RUNS makes more.
func TestTheAnswerIsThatOfRenderingEveryCommit(t *testing.T) {
	runs, first := 3, uint64(time.Now().UnixNano())
	if n, err := strconv.Atoi(os.Getenv("HISTORY_RUNS")); err == nil {
		runs = n
	}
	if seed, err := strconv.ParseUint(os.Getenv("HISTORY_SEED"), 10, 64); err == nil {
		runs, first = 1, seed
	}
	for _, form := range []struct {
		name  string
		begin func(*rand.Rand) folder
	}{{"plain", beginPlain}, {"kustomize", beginKustomize}, {"helm", beginHelm}} {
		t.Run(form.name, func(t *testing.T) {
			for run := range runs {
				seed := first + uint64(run)
				random := rand.New(rand.NewPCG(seed, 1))
				h := randomHistory(random, form.begin(random), 40)
				compareWithOracle(t, h, form.name, seed)
			}
		})
	}
}

func compareWithOracle(t *testing.T, h *made, form string, seed uint64) {
	t.Helper()
	repository := h.open(t)
	options := desired.Options{Path: "ops", Encrypted: true, Helm: desired.Helm{ReleaseName: "shop", Namespace: "prod"}}
	o := &oracle{repository: repository, options: options, rendered: map[string][]desired.Object{}}
	asked := &History{Repository: repository, Options: options, Index: &Index{Dir: t.TempDir()}}
	objects := o.objects(t, h.head)
	h.head = o.newest(t, h.head)
	for _, object := range objects {
		want := o.all(t, h.head, object)
		q := Question{Object: object, Commit: h.head}
		for _, pass := range []string{"cold", "warm"} {
			got, err := asked.All(t.Context(), q)
			if err != nil {
				t.Errorf("%s seed %d: %s, %s: %v", form, seed, object, pass, err)
				continue
			}
			if diff := cmp.Diff(want, credits(got.Changes)); diff != "" {
				t.Errorf("%s seed %d: %s, %s (-oracle +answer):\n%s\n%s", form, seed, object, pass, diff, h.log())
			}
		}
		last, err := (&History{Repository: repository, Options: options}).Last(t.Context(), q)
		if err != nil || !cmp.Equal(want[:min(1, len(want))], credits(last.Changes)) {
			t.Errorf("%s seed %d: %s was last changed by %v, %v, not %v", form, seed, object, last, err, want)
		}
	}
}

// credits are changes as an oracle tells them.
func credits(changes []Change) []string {
	all := []string{}
	for _, c := range changes {
		all = append(all, fmt.Sprintf("%s %s %s", c.Hash[:7], c.Kind, c.Subject))
	}
	return all
}

// oracle renders the whole folder at every commit.
type oracle struct {
	repository *git.Repository
	options    desired.Options
	rendered   map[string][]desired.Object
}

// newest is the newest commit that can be rendered: that of a question has to be.
func (o *oracle) newest(t *testing.T, head string) string {
	t.Helper()
	for {
		if _, ok := o.at(t, head); ok {
			return head
		}
		c, err := o.repository.Commit(head)
		if err != nil {
			t.Fatal(err)
		}
		head = c.Parents[0] // the first commit of each history can be rendered
	}
}

// at is what a commit declares; false where it can't be rendered.
func (o *oracle) at(t *testing.T, commit string) ([]desired.Object, bool) {
	t.Helper()
	objects, done := o.rendered[commit]
	if !done {
		tree, err := o.repository.Tree(commit)
		if err != nil {
			t.Fatal(err)
		}
		set, err := desired.Render(context.Background(), tree, o.options)
		switch {
		case err == nil:
			objects = append([]desired.Object{}, set.Objects...)
		case errors.Is(statOf(tree, o.options.Path), fs.ErrNotExist):
			objects = []desired.Object{}
		}
		o.rendered[commit] = objects
	}
	return objects, objects != nil
}

func statOf(tree fs.StatFS, path string) error {
	_, err := tree.Stat(path)
	return err
}

// objects that were ever declared.
func (o *oracle) objects(t *testing.T, head string) []Object {
	t.Helper()
	var all []Object
	seen := map[Object]bool{}
	err := o.repository.Walk(t.Context(), head, func(c git.Commit) (bool, error) {
		declared, _ := o.at(t, c.Hash)
		for _, d := range declared {
			kind := d.GroupVersionKind()
			object := Object{Group: kind.Group, Kind: kind.Kind, Namespace: d.GetNamespace(), Name: d.GetName(), Default: "prod"}
			if object.Namespace == "" {
				object.Namespace = "prod"
			}
			if !seen[object] {
				seen[object] = true
				all = append(all, object)
			}
		}
		return true, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

type oraclePoint struct {
	commit git.Commit
	value  value
}

// parents at which something is known, looking through those that can't be rendered.
func (o *oracle) parents(t *testing.T, c git.Commit, object Object) []oraclePoint {
	t.Helper()
	var all []oraclePoint
	for _, parent := range c.Parents {
		for parent != "" {
			if p, ok := o.point(t, parent, object); ok {
				all = append(all, p)
				break
			}
			before, err := o.repository.Commit(parent)
			if err != nil {
				t.Fatal(err)
			}
			if parent = ""; len(before.Parents) > 0 {
				parent = before.Parents[0]
			}
		}
	}
	return all
}

func (o *oracle) point(t *testing.T, commit string, object Object) (oraclePoint, bool) {
	t.Helper()
	declared, ok := o.at(t, commit)
	if !ok {
		return oraclePoint{}, false
	}
	v, _, err := object.in(declared)
	if err != nil {
		t.Fatal(err)
	}
	c, err := o.repository.Commit(commit)
	if err != nil {
		t.Fatal(err)
	}
	return oraclePoint{c, v}, true
}

// all follows history by git log's rule.
func (o *oracle) all(t *testing.T, head string, object Object) []string {
	t.Helper()
	first, _ := o.point(t, head, object)
	pending, seen := []oraclePoint{first}, map[string]bool{head: true}
	var credited byDate
	for len(pending) > 0 {
		at := pending[0]
		pending = pending[1:]
		parents := o.parents(t, at.commit, object)
		kind, present := Changed, 0
		for _, p := range parents {
			if p.value == at.value {
				parents, kind = []oraclePoint{p}, ""
				break
			}
			if p.value.present {
				present++
			}
		}
		switch {
		case kind == "" || !at.value.present && len(parents) == 0:
			kind = ""
		case !at.value.present:
			kind = Removed
		case present == 0:
			kind = Added
		}
		if kind != "" {
			credited = append(credited, Change{Commit: at.commit, Kind: kind})
		}
		for _, p := range parents {
			if !seen[p.commit.Hash] {
				seen[p.commit.Hash] = true
				pending = append(pending, p)
			}
		}
	}
	return credits(sorted(credited))
}
