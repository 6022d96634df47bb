package process

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// start runs a shell that names the directory among its arguments, as all that is started here does.
func start(t *testing.T, dir, script string, detached bool) *Process {
	t.Helper()
	p, err := Start(Command{
		Path: "/bin/sh", Args: []string{"-c", script, dir + "/sh"}, Env: Env(dir), Dir: dir,
		LogFile: filepath.Join(dir, "log"), PIDFile: filepath.Join(dir, "pid"), Detached: detached,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Stop(0) })
	return p
}

func TestStopTakesThoseThatTheProcessStarted(t *testing.T) {
	dir := t.TempDir()
	p := start(t, dir, `sh -c 'while :; do sleep 0.05; done' `+dir+`/child & wait`, false)
	waitFor(t, "both to run", func() bool { return len(of(t, dir)) == 2 })
	p.Stop(10 * time.Second)
	waitFor(t, "both to end", func() bool { return len(of(t, dir)) == 0 })
	p.Stop(0) // more calls do nothing
	if p.Running() {
		t.Error("it is running")
	}
	if _, err := os.Stat(filepath.Join(dir, "pid")); !os.IsNotExist(err) {
		t.Errorf("the pid file is left: %v", err)
	}
	p = nil
	p.Stop(0) // nothing to stop
	if p.Running() {
		t.Error("a process that was never started runs")
	}
}

func TestFailureTellsWhatThisStartSaid(t *testing.T) {
	dir := t.TempDir()
	first := start(t, dir, "echo before", false)
	<-first.Exited()
	second := start(t, dir, "echo after; exit 3", false)
	<-second.Exited()
	if diff := cmp.Diff("it ended (exit status 3); its log ends:\nafter", second.Failure().Error()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff("after\n", second.Said()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	third := start(t, dir, "echo there; sleep 60", false)
	waitFor(t, "its line", func() bool { return third.Said() != "" })
	if diff := cmp.Diff("it is running; its log ends:\nthere", third.Failure().Error()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestAProgramThatIsNotThereIsNamed(t *testing.T) {
	dir := t.TempDir()
	_, err := Start(Command{Path: filepath.Join(dir, "nothing"), LogFile: filepath.Join(dir, "log"), PIDFile: filepath.Join(dir, "pid")})
	if err == nil || !strings.HasPrefix(err.Error(), "starting nothing: ") {
		t.Errorf("got %v", err)
	}
}

func TestEndStopsWhatAnEarlierRunLeft(t *testing.T) {
	dir := t.TempDir()
	p := start(t, dir, "sleep 60 & wait", true)
	file := filepath.Join(dir, "pid")
	if pid, err := Living(dir, file); err != nil || pid != p.PID() {
		t.Errorf("living: %d, %v; it is %d", pid, err, p.PID())
	}
	for range 2 { // the second call has nothing to stop
		if err := End(dir, file, time.Second); err != nil {
			t.Error(err)
		}
	}
	if left := of(t, dir); len(left) > 0 {
		t.Errorf("these are left: %v", left)
	}
}

func TestEndSparesAProcessThatIsNotOurs(t *testing.T) {
	dir := t.TempDir()
	innocent := exec.Command("sleep", "60")
	if err := innocent.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = innocent.Process.Kill()
		_ = innocent.Wait() // it was killed
	}()
	file := filepath.Join(dir, "pid")
	if err := os.WriteFile(file, fmt.Appendln(nil, innocent.Process.Pid), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := End(dir, file, time.Second); err != nil {
		t.Error(err)
	}
	if !alive(innocent.Process.Pid) {
		t.Error("it was stopped")
	}
}

func TestAPidFileThatHoldsNone(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "pid")
	for _, content := range []string{"", "1\n", "-5\n", "etcd\n"} {
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		want := fmt.Sprintf("reading %s: %q is no pid", file, content)
		if _, err := Living(dir, file); err == nil || err.Error() != want {
			t.Errorf("%q: %v", content, err)
		}
	}
}

func of(t *testing.T, dir string) []int {
	t.Helper()
	pids, err := Of(dir)
	if err != nil {
		t.Fatal(err)
	}
	return pids
}

func waitFor(t *testing.T, what string, done func() bool) {
	t.Helper()
	for until := time.Now().Add(10 * time.Second); !done(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(until) {
			t.Fatalf("%s: not in time", what)
		}
	}
}
