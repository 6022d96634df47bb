package cluster

import (
	"errors"
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

// process is one program under way, known by the pid that we started, never by its name.
type process struct {
	name    string
	logFile string
	logFrom int64 // where in the log file this start begins
	pidFile string
	pid     int
	exited  chan struct{} // closed when the process has been waited for
	err     error         // how it ended; read only after exited is closed
}

// command is what a process is started from.
type command struct {
	name, path string
	args       []string
	dir        string // the cluster's directory; the log and the pid file are in it
	detached   bool
}

// launcher starts processes from one thread that lives as long as they do. On Linux a child is told to die when its
// parent *thread* dies, and the Go runtime ends threads as it likes, unless a goroutine is locked to them.
type launcher struct{ work chan func() }

func newLauncher() *launcher {
	l := &launcher{work: make(chan func())}
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with this goroutine
		for f := range l.work {
			f()
		}
	}()
	return l
}

func (l *launcher) close() { close(l.work) }

func (l *launcher) start(c command) (*process, error) {
	p := &process{
		name:    c.name,
		logFile: filepath.Join(c.dir, "log", c.name+".log"),
		pidFile: filepath.Join(c.dir, "run", c.name+".pid"),
		exited:  make(chan struct{}),
	}
	log, err := os.OpenFile(p.logFile, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	defer log.Close() // the child has its own
	if p.logFrom, err = log.Seek(0, io.SeekEnd); err != nil {
		return nil, err
	}
	cmd := exec.Command(c.path, c.args...)
	cmd.Dir = c.dir
	cmd.Env = serverEnv(c.dir)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = processAttributes(c.detached)
	started := make(chan error)
	l.work <- func() { started <- cmd.Start() }
	if err := <-started; err != nil {
		return nil, err
	}
	p.pid = cmd.Process.Pid
	go func() {
		p.err = cmd.Wait()
		close(p.exited)
	}()
	if err := os.WriteFile(p.pidFile, []byte(strconv.Itoa(p.pid)+"\n"), 0o600); err != nil {
		p.stop(0)
		return nil, err
	}
	return p, nil
}

// serverEnv leaves out the caller's environment: a proxy or a kubeconfig in it would change what the servers do.
func serverEnv(dir string) []string {
	return []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "TMPDIR=" + dir}
}

// stop asks the process to end, and ends it after the grace; it returns when the process is gone. It may be called
// more than once, and on a process that has already ended.
func (p *process) stop(grace time.Duration) {
	defer os.Remove(p.pidFile)
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

// signal reaches the whole process group, of which the process is the leader. Once the process has been waited for,
// its number may be somebody else's.
func (p *process) signal(sig syscall.Signal) {
	if p.running() {
		_ = syscall.Kill(-p.pid, sig) // the only possible error is that it is already gone
	}
}

func (p *process) running() bool {
	select {
	case <-p.exited:
		return false
	default:
		return true
	}
}

// errAddressInUse says that another program took the port between our choosing it and the server's binding it.
var errAddressInUse = errors.New("the address is in use")

// failure explains why the process isn't what it should be: how it ended, and what it last said.
func (p *process) failure() error {
	tail := lastLines(p.said(), 15)
	if p.running() {
		return fmt.Errorf("it is running; its log ends:\n%s", tail)
	}
	if strings.Contains(tail, "address already in use") {
		return fmt.Errorf("%w; its log ends:\n%s", errAddressInUse, tail)
	}
	return fmt.Errorf("it ended (%v); its log ends:\n%s", p.err, tail)
}

// said returns what the process has written since it was started.
func (p *process) said() string {
	content, err := os.ReadFile(p.logFile)
	if err != nil || int64(len(content)) < p.logFrom {
		return ""
	}
	return string(content[p.logFrom:])
}

func lastLines(text string, n int) string {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
