package process

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Command is what a process is started from.
type Command struct {
	Path string
	Args []string

	// Env is the whole environment: the caller's would bring a proxy or a kubeconfig along. See [Env].
	Env []string

	// Dir is the working directory.
	Dir string

	// LogFile gets what the process writes, after what is in it.
	LogFile string

	// PIDFile is there while the process runs.
	PIDFile string

	// Detached lets it outlive the process that starts it; [End] stops it.
	Detached bool
}

// Env is an environment in which nothing is set but where programs are, and a home in the directory.
func Env(dir string) []string {
	return []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "TMPDIR=" + dir}
}

// Process is one program under way.
type Process struct {
	command Command
	logFrom int64 // where in the log file this start begins
	pid     int
	exited  chan struct{} // closed when the process has been waited for
	err     error         // how it ended; read only after exited is closed
}

// Start starts a process. Its goroutine keeps its thread for as long as the process lives: on Linux a child is told to
// die when the thread that started it does, and the Go runtime ends threads as it likes.
func Start(c Command) (*Process, error) {
	log, err := os.OpenFile(c.LogFile, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	defer log.Close() // the child has its own
	p := &Process{command: c, exited: make(chan struct{})}
	if p.logFrom, err = log.Seek(0, io.SeekEnd); err != nil {
		return nil, err
	}
	cmd := exec.Command(c.Path, c.Args...)
	cmd.Dir, cmd.Env = c.Dir, c.Env
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = attributes(c.Detached)
	started := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with this goroutine
		err := cmd.Start()
		started <- err
		if err == nil {
			p.err = cmd.Wait()
			close(p.exited)
		}
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("starting %s: %w", filepath.Base(c.Path), err)
	}
	p.pid = cmd.Process.Pid
	if err := os.WriteFile(c.PIDFile, []byte(strconv.Itoa(p.pid)+"\n"), 0o600); err != nil {
		p.Stop(0)
		return nil, err
	}
	return p, nil
}

// PID is its number, which may be somebody else's once it has ended.
func (p *Process) PID() int { return p.pid }

// Exited is closed when the process has ended.
func (p *Process) Exited() <-chan struct{} { return p.exited }

// Running says whether the process has yet to end. A process that was never started has ended.
func (p *Process) Running() bool {
	if p == nil {
		return false
	}
	select {
	case <-p.exited:
		return false
	default:
		return true
	}
}

// Stop asks the process to end, and ends it after the grace; it returns when the process is gone. It may be called more
// than once, on a process that has already ended, and on nil.
func (p *Process) Stop(grace time.Duration) {
	if p == nil {
		return
	}
	defer os.Remove(p.command.PIDFile)
	if grace > 0 {
		p.signal(syscall.SIGTERM)
		select {
		case <-p.exited:
		case <-time.After(grace):
		}
	}
	p.signal(syscall.SIGKILL)
	<-p.exited
}

// signal reaches the whole process group, of which the process is the leader. Once the process has been waited for, its
// number may be somebody else's.
func (p *Process) signal(sig syscall.Signal) {
	if p.Running() {
		_ = syscall.Kill(-p.pid, sig) // the only possible error is that it is already gone
	}
}

// Failure explains why the process isn't what it should be: how it ended, and what it last said.
func (p *Process) Failure() error {
	tail := LastLines(p.Said(), 15)
	if p.Running() {
		return fmt.Errorf("it is running; its log ends:\n%s", tail)
	}
	return fmt.Errorf("it ended (%v); its log ends:\n%s", p.err, tail)
}

// Said is what the process has written since it was started.
func (p *Process) Said() string {
	content, err := os.ReadFile(p.command.LogFile)
	if err != nil || int64(len(content)) < p.logFrom {
		return ""
	}
	return string(content[p.logFrom:])
}

// LastLines is the end of a text, for an error.
func LastLines(text string, n int) string {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
