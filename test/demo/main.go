// Command demo is `make demo`: it starts a real Kubernetes API server with Gitlatch, has it sync a small application
// from a real git repository, and then tries by hand what people try. It shows each command and what came back, ends
// with a table of what was seen, and exits with 0 only if all of it happened. Nothing of it is left running.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/gitlatch/gitlatch/test/cluster"
	"github.com/gitlatch/gitlatch/test/gitlatch"
	"github.com/gitlatch/gitlatch/test/gitserver"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

func run() (err error) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	assets, err := cluster.Binaries(ctx, os.Stderr)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "gitlatch-demo-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()

	start := time.Now()
	d := &demo{out: newNarrator(os.Stdout), dir: dir, commits: map[string]string{}}
	if err := d.start(ctx, assets); err != nil {
		return errors.Join(d.interrupted(ctx, err), d.stop())
	}
	played := d.play(ctx)
	stopped := d.stop()
	if err := errors.Join(d.interrupted(ctx, played), stopped); err != nil {
		return err
	}
	d.saw("everything is stopped", nil)
	return d.summary(time.Since(start))
}

// demo is what runs, and what was seen.
type demo struct {
	out      *narrator
	dir      string
	cluster  *cluster.Cluster
	gitlatch *gitlatch.Gitlatch
	repo     *gitserver.Repo
	twin     *twin
	channel  *channel
	commits  map[string]string         // by what they are called here
	before   map[string]map[string]any // what was carried before the second one
	seen     []sight
}

// start gets everything running. Logs are kept from the screen; an error quotes them.
func (d *demo) start(ctx context.Context, assets cluster.Assets) error {
	d.out.title("Starting a Kubernetes control plane with Gitlatch")
	bin := filepath.Join(d.dir, "bin")
	d.out.say("building Gitlatch's commands")
	if err := gitlatch.Build(ctx, bin, "webhook", "applier", "reporter", "kubectl-gitlatch"); err != nil {
		return err
	}
	if err := os.Symlink(assets.Kubectl, filepath.Join(bin, "kubectl")); err != nil {
		return err
	}
	// kubectl finds its plugin, and the scripts of this demo, on the PATH.
	if err := os.Setenv("PATH", bin+string(os.PathListSeparator)+os.Getenv("PATH")); err != nil {
		return err
	}
	d.out.say("starting etcd, the API server and the controllers")
	var err error
	d.cluster, err = cluster.Start(ctx, cluster.Options{Dir: filepath.Join(d.dir, "cluster"), Assets: assets})
	if err != nil {
		return err
	}
	if d.channel, err = openChannel(); err != nil {
		return err
	}
	receivers, err := d.receivers()
	if err != nil {
		return err
	}
	options := d.installation(2, indented{d.out})
	options.Reporter, options.ReporterBinary = true, filepath.Join(bin, "reporter")
	options.ReporterFlags = []string{"--receivers=" + receivers, "--heartbeat-interval=" + heartbeat.String()}
	d.gitlatch, err = gitlatch.Install(ctx, d.cluster, options)
	return err
}

// installation is how Gitlatch is installed here, on each cluster. The first one has the reporter, too.
func (d *demo) installation(replicas int, progress io.Writer) gitlatch.Options {
	bin := filepath.Join(d.dir, "bin")
	return gitlatch.Options{
		Replicas: replicas, Binary: filepath.Join(bin, "webhook"),
		Applier: true, ApplierBinary: filepath.Join(bin, "applier"), Progress: progress,
	}
}

func (d *demo) stop() error {
	var errs []error
	if d.twin != nil {
		errs = append(errs, d.twin.stop())
	}
	if d.gitlatch != nil {
		errs = append(errs, d.gitlatch.Stop())
	}
	if d.cluster != nil {
		errs = append(errs, d.cluster.Stop())
	}
	if d.channel != nil {
		errs = append(errs, d.channel.close())
	}
	return errors.Join(errs...)
}

// interrupted says Ctrl-C in one line, where the error would be that of whatever it ended.
func (d *demo) interrupted(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return errors.New("interrupted; everything is stopped")
	}
	return err
}

// indented passes progress on to the narrator.
type indented struct{ out *narrator }

func (i indented) Write(text []byte) (int, error) {
	return io.WriteString(i.out.w, "  "+string(text))
}
