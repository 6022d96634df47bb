package cluster

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/gitlatch/gitlatch/test/process"
)

// builder compiles the four programs of one nested module into one directory.
type builder struct {
	module, target, version string
	progress                io.Writer
}

// programs are in this order because what the first ones compile the later ones reuse.
var programs = []struct{ name, path string }{
	{etcdName, "go.etcd.io/etcd/server/v3"},
	{apiServerName, "k8s.io/kubernetes/cmd/kube-apiserver"},
	{controllerManagerName, "k8s.io/kubernetes/cmd/kube-controller-manager"},
	{kubectlName, "k8s.io/kubernetes/cmd/kubectl"},
}

// build holds a lock for as long as it works, so that test packages that start together build once, and renames each
// program into place when it is whole, so that an interrupted build leaves only what can be used.
func (b builder) build(ctx context.Context) error {
	if err := os.MkdirAll(b.target, 0o755); err != nil {
		return err
	}
	unlock, err := b.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	for i, program := range programs {
		if executable(filepath.Join(b.target, program.name)) {
			continue // built by who held the lock before, or by a build that was interrupted later on
		}
		label := fmt.Sprintf("%s %s (%d of %d)", program.name, b.version, i+1, len(programs))
		if program.name == etcdName {
			label = fmt.Sprintf("%s (%d of %d)", program.name, i+1, len(programs))
		}
		if err := b.compile(ctx, label, program.name, program.path); err != nil {
			return err
		}
	}
	return nil
}

func (b builder) compile(ctx context.Context, label, name, path string) error {
	partial := filepath.Join(b.target, fmt.Sprintf(".%s.%d", name, os.Getpid()))
	defer os.Remove(partial)
	args := append([]string{"build", "-o", partial}, buildArgs(b.version)...)
	cmd := exec.CommandContext(ctx, "go", append(args, path)...)
	cmd.Dir = b.module
	cmd.Env = buildEnv(os.Environ())
	// The go command's own children must go with it when ctx ends.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output

	finish := b.report("building " + label)
	err := cmd.Run()
	finish(err)
	if err != nil {
		return fmt.Errorf("compiling %s: %w\n%s", path, err, process.LastLines(output.String(), 20))
	}
	return os.Rename(partial, filepath.Join(b.target, name))
}

// buildArgs are the flags of `go build`: small programs that know their version, since the API server's version
// decides its defaults, and clients ask for it.
func buildArgs(version string) []string {
	major, minor := majorMinor(version)
	ldflags := []string{"-s", "-w"}
	for _, pkg := range []string{"k8s.io/component-base/version", "k8s.io/client-go/pkg/version"} {
		ldflags = append(ldflags,
			"-X", pkg+".gitVersion="+version,
			"-X", pkg+".gitMajor="+major,
			"-X", pkg+".gitMinor="+minor,
			"-X", pkg+".gitTreeState=clean",
		)
	}
	return []string{"-trimpath", "-buildvcs=false", "-ldflags", strings.Join(ldflags, " ")}
}

func majorMinor(version string) (major, minor string) {
	parts := strings.SplitN(strings.TrimPrefix(version, "v"), ".", 3)
	if len(parts) < 2 {
		return "", ""
	}
	return parts[0], parts[1]
}

// buildEnv is the caller's environment without what is meant for the caller's own module: flags such as -mod=vendor
// or -race, a workspace, another target machine. No C compiler is asked for.
func buildEnv(environ []string) []string {
	env := make([]string, 0, len(environ)+3)
	for _, entry := range environ {
		switch name, _, _ := strings.Cut(entry, "="); name {
		case "GOFLAGS", "GOWORK", "GOOS", "GOARCH", "CGO_ENABLED":
		default:
			env = append(env, entry)
		}
	}
	return append(env, "GOFLAGS=-mod=readonly", "GOWORK=off", "CGO_ENABLED=0")
}

// lock waits for the lock of the target directory, saying so: the other builder may need minutes.
func (b builder) lock(ctx context.Context) (unlock func(), err error) {
	file, err := os.OpenFile(b.target+".lock", os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	finish := func(error) {}
	for waiting := false; ; waiting = true {
		err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			finish(nil)
			return func() { file.Close() }, nil
		}
		if err != syscall.EWOULDBLOCK && err != syscall.EINTR {
			file.Close()
			return nil, fmt.Errorf("locking %s: %w", file.Name(), err)
		}
		if !waiting {
			finish = b.report("waiting for another build of " + b.version)
		}
		select {
		case <-ctx.Done():
			finish(ctx.Err())
			file.Close()
			return nil, ctx.Err()
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// report writes what is going on, at once and then every ten seconds, until finish is called.
func (b builder) report(what string) (finish func(error)) {
	start, stop, stopped := time.Now(), make(chan struct{}), make(chan struct{})
	fmt.Fprintln(b.progress, what)
	go func() {
		defer close(stopped)
		ticker := time.NewTicker(10 * time.Second)
		defer ticker.Stop()
		for {
			select {
			case <-stop:
				return
			case <-ticker.C:
				fmt.Fprintf(b.progress, "%s: %.0f s\n", what, time.Since(start).Seconds())
			}
		}
	}()
	return func(err error) {
		close(stop)
		<-stopped
		outcome := "done"
		if err != nil {
			outcome = "stopped"
		}
		fmt.Fprintf(b.progress, "%s: %s after %.0f s\n", what, outcome, time.Since(start).Seconds())
	}
}
