package gitlatch

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// process is one webhook under way, known by the pid that we started.
type process struct {
	pid    int
	exited chan struct{} // closed when it has been waited for
	err    error         // how it ended; read only after exited is closed
}

// launch starts a program. Its goroutine keeps its thread for as long as the process lives: on Linux a child is told to
// die when the thread that started it does.
func launch(path string, args, env []string, logFile, pidFile string, detached bool) (*process, error) {
	log, err := os.OpenFile(logFile, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	defer log.Close() // the child has its own
	cmd := exec.Command(path, args...)
	cmd.Dir = filepath.Dir(pidFile)
	cmd.Env = env
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = processAttributes(detached)
	p := &process{exited: make(chan struct{})}
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
		return nil, fmt.Errorf("starting %s: %w", path, err)
	}
	p.pid = cmd.Process.Pid
	if err := os.WriteFile(pidFile, []byte(strconv.Itoa(p.pid)+"\n"), 0o600); err != nil {
		p.stop(0)
		return nil, err
	}
	return p, nil
}

func (p *process) running() bool {
	select {
	case <-p.exited:
		return false
	default:
		return true
	}
}

// signal reaches the process only while it has not been waited for: its number may be somebody else's later.
func (p *process) signal(sig syscall.Signal) {
	if p.running() {
		_ = syscall.Kill(p.pid, sig) // the only possible error is that it is already gone
	}
}

// stop asks the process to end, ends it after the grace, and returns when it is gone.
func (p *process) stop(grace time.Duration) {
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

// lastLines is the end of a log, for an error.
func lastLines(file string, n int) string {
	content, err := os.ReadFile(file)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimRight(string(content), "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
