package applier

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gitlatch/gitlatch/test/gitlatch"
)

// Nothing that the plugin says of a Secret shows a value, git's or anybody's.
func TestThePluginShowsNoValueOfASecret(t *testing.T) {
	dir := t.TempDir()
	if err := gitlatch.Build(t.Context(), dir, "kubectl-gitlatch"); err != nil {
		t.Fatal(err)
	}
	w, s := newProject(t, "warn"), newAgeSealer(t)
	w.sealed(s, "deploy/db.yaml", secret("db", newValue()))
	commit := w.commit("declare db")
	w.follow(w.decrypting(s), "drift: Report")
	w.applied(commit)
	kubectl(t, "alice", "patch", "secret", "db", "-n", w.namespace, "--type=merge", "-p", `{"stringData":{"password":"`+newValue()+`"}}`).MustAllow(t)
	kubectl(t, "alice", "label", "secret", "db", "-n", w.namespace, "by=hand").MustAllow(t)

	_, key := s.file(t)
	keys := filepath.Join(t.TempDir(), "cluster.agekey")
	writeFile(t, keys, key)
	folder := filepath.Join(w.repo.Dir, "deploy")
	for _, test := range []struct {
		args []string
		want string // that shows that it spoke of the Secret
	}{
		{[]string{"records", "list", "-n", w.namespace, "-o", "yaml"}, "name: db"},
		{[]string{"diff", w.sync, "-n", w.home, "--repo", w.repo.Dir, "--age-key-file", keys}, "*** (before)"},
		{[]string{"why", "secret/db", "-n", w.namespace, "--repo", w.repo.Dir}, "declare db"},
		{[]string{"check", folder, "--age-key-file", keys}, "*** (before)"},
	} {
		t.Run(test.args[0], func(t *testing.T) {
			command := exec.CommandContext(t.Context(), filepath.Join(dir, "kubectl-gitlatch"), append(test.args, "--kubeconfig", plane.Kubeconfig("admin"))...)
			command.Env = append(command.Environ(), "HOME="+dir)
			out, _ := command.CombinedOutput() // diff and check end with 1 where there is something to say
			if !strings.Contains(string(out), test.want) {
				t.Errorf("%v says nothing of the Secret:\n%s", test.args, out)
			}
			if found := planted.seen(out); len(found) > 0 {
				t.Errorf("%v shows values: %v", test.args, found)
			}
		})
	}
}
