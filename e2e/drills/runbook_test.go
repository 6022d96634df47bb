//go:build drills

package drills

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gitlatch/gitlatch/test/world"
)

// page is a runbook. What a drill does by it, the page says, word for word.
type page struct {
	name     string
	commands string // what stands between fences
}

// runbook reads a page.
func runbook(t *testing.T, name string) *page {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../../docs/runbooks", name))
	world.Must(t, err)
	p := &page{name: name}
	for i, part := range strings.Split(string(text), "```") {
		if i%2 == 1 {
			p.commands += part + "\n"
		}
	}
	return p
}

// run runs a command of the page as a person, in a shell with kubectl and the plugin on its path.
func (p *page) run(t *testing.T, user, command string) world.Result {
	t.Helper()
	return p.runWith(t, user, command)
}

// runWith is [page.run] with words of the page that stand for the reader's own, such as <pod>, and what they are here.
func (p *page) runWith(t *testing.T, user, command string, words ...string) world.Result {
	t.Helper()
	if !strings.Contains(p.commands, command) {
		t.Fatalf("docs/runbooks/%s does not say to run:\n%s", p.name, command)
	}
	command = strings.NewReplacer(words...).Replace(command)
	if strings.ContainsAny(strings.NewReplacer("<<", "", "2>", "", ">", "").Replace(command), "<") {
		t.Fatalf("docs/runbooks/%s: nobody said what is meant in:\n%s", p.name, command)
	}
	return shell(t, user, command)
}

// shell runs a command as a person.
func shell(t *testing.T, user, command string) world.Result {
	t.Helper()
	root, err := filepath.Abs("../..")
	world.Must(t, err)
	cmd := exec.CommandContext(t.Context(), "/bin/sh", "-euc", command)
	cmd.Dir = root // where a reader of the README is
	cmd.Env = append(here.Plane.KubectlEnv(user),
		"PATH="+bin()+":"+filepath.Dir(here.Plane.Assets().Kubectl)+":"+os.Getenv("PATH"))
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	err = cmd.Run()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return world.Result{User: user, Command: command, Out: out.String(), Err: said.String(), Code: cmd.ProcessState.ExitCode()}
}
