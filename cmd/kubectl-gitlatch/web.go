package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericiooptions"
)

// web serves the pages to one person, on their own machine.
type web struct {
	genericiooptions.IOStreams
	server *server
	now    func() time.Time
	port   uint16
	repo   string
}

func newWeb(server *server, streams genericiooptions.IOStreams, now func() time.Time) *cobra.Command {
	w := &web{IOStreams: streams, server: server, now: now}
	cmd := &cobra.Command{
		Use:   "web [--port PORT]",
		Short: "See and review in a browser: the signals, what waits, the story of an object",
		Long: `Serve pages to your own browser, on this machine alone (127.0.0.1), until
interrupted: the five signals and the open break-glass windows; what waits for
review, with its diff, to be approved, rejected or commented on; the records;
and the story of an object, commits and changes around git on one time line.

Everything is read and written with your own kubeconfig and rights, and the gate
judges it as it does elsewhere: nobody approves their own change. The printed
link holds a key that works once, for the first browser that opens it.
` + exitCodes,
		Example: `  kubectl gitlatch web

  # the story of objects from a clone of yours
  kubectl gitlatch web --repo ~/ops`,
		Args: cobra.NoArgs,
		RunE: act(func(cmd *cobra.Command, _ []string) error { return w.run(cmd.Context()) }),
	}
	f := cmd.Flags()
	f.Uint16Var(&w.port, "port", 0, "port to listen on; 0: any that is free")
	f.StringVar(&w.repo, "repo", "", "a clone of the repository; left out: the working directory, or one in the cache")
	return cmd
}

func (w *web) run(ctx context.Context) error {
	if _, err := w.server.config(); err != nil {
		return err
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(int(w.port))))
	if err != nil {
		return fmt.Errorf("listening for the browser: %w", err)
	}
	port := listener.Addr().(*net.TCPAddr).Port
	site, err := newSite(w.server, w.now, w.repo, w.ErrOut)
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	g := newGuard(site, port)
	served := &http.Server{
		Handler: g, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 30 * time.Second,
		WriteTimeout: 2 * patienceWithGit, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10,
		BaseContext: func(net.Listener) context.Context { return ctx },
	}
	fmt.Fprintf(w.Out, "Open %s in a browser on this machine; Ctrl-C ends it.\n", g.link())
	ended := make(chan error, 1)
	go func() { ended <- served.Serve(listener) }()
	select {
	case err := <-ended:
		return fmt.Errorf("serving the pages: %w", err)
	case <-ctx.Done():
	}
	grace, stop := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer stop()
	if err := served.Shutdown(grace); err != nil {
		return errors.Join(ignoreDeadline(err), served.Close())
	}
	return nil
}

// ignoreDeadline: a page that takes longer than the grace is cut off.
func ignoreDeadline(err error) error {
	if errors.Is(err, context.DeadlineExceeded) {
		return nil
	}
	return err
}
