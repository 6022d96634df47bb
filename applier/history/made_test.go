package history

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gitlatch/gitlatch/applier/git"
	"github.com/gitlatch/gitlatch/test/gitserver"
)

// folder is files by path.
type folder map[string]string

// made is a history as it is handed to git.
type made struct {
	stream bytes.Buffer
	marks  int
	lines  []string
	head   string
}

// commit makes a commit of whole trees, a minute after the one before it, and returns its mark.
func (m *made) commit(subject string, files folder, parents ...int) int {
	m.begin(subject)
	for i, parent := range parents {
		fmt.Fprintf(&m.stream, "%s :%d\n", map[bool]string{true: "from", false: "merge"}[i == 0], parent)
	}
	fmt.Fprint(&m.stream, "deleteall\n")
	for _, name := range slices.Sorted(maps.Keys(files)) {
		mode, content := "100644", files[name]
		if target, ok := strings.CutPrefix(content, "-> "); ok {
			mode, content = "120000", target
		}
		fmt.Fprintf(&m.stream, "M %s inline %s\ndata %d\n%s\n", mode, name, len(content), content)
	}
	m.lines = append(m.lines, fmt.Sprintf("%d %s %v", m.marks, subject, parents))
	return m.marks
}

func (m *made) begin(subject string) {
	m.marks++
	fmt.Fprintf(&m.stream, "commit refs/heads/main\nmark :%d\ncommitter bob <bob@example.com> %d +0000\ndata %d\n%s\n",
		m.marks, 1_767_000_000+60*m.marks, len(subject), subject)
}

func (m *made) log() string { return strings.Join(m.lines, "\n") }

// change makes a commit that changes one file.
func (m *made) change(subject string, parent int, name, content string) int {
	m.begin(subject)
	fmt.Fprintf(&m.stream, "from :%d\nM 100644 inline %s\ndata %d\n%s\n", parent, name, len(content), content)
	return m.marks
}

// repo hands the history to git, and returns what it made of it and its head.
func (m *made) repo(t testing.TB) (*gitserver.Repo, string) {
	t.Helper()
	repo, err := gitserver.NewRepo(filepath.Join(t.TempDir(), "ops"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := repo.GitInput(m.stream.Bytes(), "fast-import", "--quiet", "--force"); err != nil {
		t.Fatal(err)
	}
	head, err := repo.Git("rev-parse", "main")
	if err != nil {
		t.Fatal(err)
	}
	return repo, head
}

// open opens the repository that git made of the history.
func (m *made) open(t testing.TB) *git.Repository {
	t.Helper()
	repo, head := m.repo(t)
	repository, err := git.Open(repo.Dir)
	if err != nil {
		t.Fatal(err)
	}
	m.head = head
	return repository
}

// line is one branch on its way.
type line struct {
	mark  int
	files folder
	whole folder // what it was before it was broken
}

// randomHistory edits a folder again and again, branches, merges and goes back.
func randomHistory(random *rand.Rand, files folder, commits int) *made {
	m := &made{}
	lines := []line{{mark: m.commit("begin", files), files: files}}
	past := []folder{files}
	for range commits {
		i := random.IntN(len(lines))
		at := &lines[i]
		next := maps.Clone(at.files)
		subject, parents := "", []int{at.mark}
		switch n := random.IntN(20); {
		case at.whole != nil:
			subject, next, at.whole = "mended", maps.Clone(at.whole), nil
		case n == 0 && len(lines) < 3:
			lines = append(lines, *at)
			continue
		case n <= 2 && len(lines) > 1:
			other := lines[(i+1)%len(lines)]
			if other.mark == at.mark {
				continue
			}
			subject, parents = "merge", append(parents, other.mark)
			next = mixed(random, at.files, other.files)
			if random.IntN(2) == 0 {
				lines = slices.Delete(lines, (i+1)%len(lines), (i+1)%len(lines)+1)
				at = &lines[slices.IndexFunc(lines, func(l line) bool { return l.mark == parents[0] })]
			}
		case n == 3:
			subject, next = "back", maps.Clone(past[random.IntN(len(past))])
		case n == 4:
			subject = "beside"
			next[fmt.Sprintf("docs/%d.md", random.IntN(3))] = fmt.Sprint(random.IntN(100))
		case n == 5 && random.IntN(3) == 0:
			subject = "gone"
			maps.DeleteFunc(next, func(name, _ string) bool { return strings.HasPrefix(name, "ops/") })
		case n == 6:
			subject, at.whole = "broken", at.files
			next["ops/Chart.yaml"], next["ops/kustomization.yaml"] = "a: [", "a: ["
		default:
			subject = edit(random, next)
		}
		at.mark, at.files = m.commit(subject, next, parents...), next
		past = append(past, next)
	}
	last := m.commit("end", lines[0].files, lines[0].mark)
	fmt.Fprintf(&m.stream, "reset refs/heads/main\nfrom :%d\n", last)
	return m
}

// mixed takes each file from either side: a merge with conflicts, or an evil one.
func mixed(random *rand.Rand, a, b folder) folder {
	if random.IntN(2) == 0 {
		return maps.Clone(b)
	}
	all := folder{}
	for _, name := range slices.Sorted(maps.Keys(a)) {
		all[name] = a[name]
		if other, ok := b[name]; ok && random.IntN(2) == 0 {
			all[name] = other
		}
	}
	return all
}

// edit changes one file in one of many small ways.
func edit(random *rand.Rand, files folder) string {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if strings.HasPrefix(name, "ops/") || strings.HasPrefix(name, "base/") {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return "nothing"
	}
	name := names[random.IntN(len(names))]
	content := files[name]
	if variants := twists(name, content); len(variants) > 0 && random.IntN(3) == 0 {
		files[name] = variants[random.IntN(len(variants))]
		return "twist " + name
	}
	switch {
	case strings.HasPrefix(name, "ops/") && random.IntN(8) == 0 && movable(name):
		to := "ops/moved/" + strings.ReplaceAll(strings.TrimPrefix(name, "ops/"), "/", "-")
		if _, taken := files[to]; !taken {
			delete(files, name)
			files[to] = content
			return "rename " + name
		}
	case random.IntN(12) == 0 && movable(name):
		delete(files, name)
		return "delete " + name
	}
	files[name] = numbers.ReplaceAllStringFunc(content, func(string) string { return fmt.Sprintf("n%d", random.IntN(4)) })
	return "edit " + name
}
