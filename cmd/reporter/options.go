package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"time"

	"k8s.io/apimachinery/pkg/util/uuid"

	"github.com/gitlatch/gitlatch/cmd/internal/gate"
	"github.com/gitlatch/gitlatch/cmd/internal/program"
	"github.com/gitlatch/gitlatch/reporter/archive"
	"github.com/gitlatch/gitlatch/reporter/archive/postgres"
	"github.com/gitlatch/gitlatch/reporter/heartbeat"
	"github.com/gitlatch/gitlatch/reporter/retention"
	"github.com/gitlatch/gitlatch/reporter/review"
)

// Options are what can be set. The defaults are those of manifests/default.
type Options struct {
	// Kubeconfig reaches the API server. Left out: the pod's own account.
	Kubeconfig string
	// Namespace that Gitlatch runs in; the leader's lease is there.
	Namespace string
	// MetricsAddress and ProbeAddress serve metrics and /healthz and /readyz; "0"
	// serves none.
	MetricsAddress, ProbeAddress string
	// LeaderElect has one process report, however many there are. Without it whoever
	// starts a second one is told everything twice.
	LeaderElect bool
	// Replica is who holds the lease; the pod's name. The name must be this process's
	// alone: whoever holds the lease under it is taken for an earlier life of this one.
	// Left out: the host's name and something random.
	Replica string
	// Gate is how the gate should be registered: as its own flags say.
	Gate gate.Options
	// HeartbeatEvery is how often the gate is asked whether it denies, 1s to 1m.
	HeartbeatEvery time.Duration
	// Overdue is how long a record may wait for its review.
	Overdue review.Overdue
	// Receivers is the file that says who is told; it may come and go. Left out: nobody
	// is, and Events are made all the same.
	Receivers string
	// Archive takes records before they are deleted: stdout, file or postgres.
	Archive string
	// ArchiveFile is where the archive file is.
	ArchiveFile string
	// ArchiveDSNFile holds the connection string of PostgreSQL.
	ArchiveDSNFile string
	// Retention is which records go, and when.
	Retention retention.Options
	// Audit takes the API server's audit log, live.
	Audit auditOptions
	// Verbosity 1 logs what needed nothing as well.
	Verbosity int
}

// auditOptions are those of the audit webhook backend. Without an address there is
// none.
type auditOptions struct {
	// Address to listen on, as host:port.
	Address string
	// CertFile and KeyFile are of the server.
	CertFile, KeyFile string
	// ClientCAFile verifies the API server's client certificate; TokenFile holds the
	// bearer token that it sends. Exactly one.
	ClientCAFile, TokenFile string
}

// parseOptions reads the command line. Its error is one line.
func parseOptions(args []string, env func(string) string, help io.Writer) (*Options, error) {
	o := &Options{}
	f := program.NewFlags("reporter")
	f.StringVar(&o.Kubeconfig, "kubeconfig", "", "kubeconfig `file`; left out: the account of the pod")
	f.StringVar(&o.Namespace, "namespace", cmp.Or(env("POD_NAMESPACE"), "gitlatch-system"), "`namespace` that Gitlatch runs in")
	f.StringVar(&o.MetricsAddress, "metrics-bind-address", ":8080", "`host:port` to serve metrics on; 0: none")
	f.StringVar(&o.ProbeAddress, "health-probe-bind-address", ":8081", "`host:port` to serve /healthz and /readyz on; 0: none")
	f.BoolVar(&o.LeaderElect, "leader-elect", true, "elect the one process that reports")
	f.StringVar(&o.Replica, "replica", env("POD_NAME"), "`name` of this process, its alone; left out: one is made up")
	o.Gate.Bind(f)
	f.DurationVar(&o.HeartbeatEvery, "heartbeat-interval", heartbeat.DefaultEvery, "how often the gate is asked whether it denies")
	f.DurationVar(&o.Overdue.BreakGlass, "review-overdue-break-glass", review.OverdueBreakGlass, "how long a break-glass may wait for its review")
	f.DurationVar(&o.Overdue.Other, "review-overdue", review.OverdueOther, "how long any other record may wait for its review")
	f.StringVar(&o.Receivers, "receivers", "", "`file` of those who are told of records; left out: nobody is")
	f.StringVar(&o.Archive, "archive", archive.SinkStdout, "what takes records before they are deleted: stdout, file or postgres")
	f.StringVar(&o.ArchiveFile, "archive-file", "", "`file` of the archive, with --archive=file")
	f.StringVar(&o.ArchiveDSNFile, "archive-postgres-dsn-file", "", "`file` that holds PostgreSQL's connection string, with --archive=postgres")
	f.DurationVar(&o.Retention.MaxAge, "retention-age", retention.DefaultMaxAge, "how long after it was last seen a record is kept; 0: for ever")
	f.IntVar(&o.Retention.MaxRecords, "retention-records", retention.DefaultMaxRecords, "how many records are kept; 0: all")
	f.DurationVar(&o.Retention.CloseAfter, "close-denied-after", retention.DefaultCloseAfter, "how long a denial that nobody reviews stays open; 0: for ever")
	f.DurationVar(&o.Retention.Every, "retention-interval", 10*time.Minute, "how often all records are looked at")
	f.StringVar(&o.Audit.Address, "audit-bind-address", "", "`host:port` to take the API server's audit events on (--audit-webhook-config-file there); left out: none are taken")
	f.StringVar(&o.Audit.CertFile, "audit-tls-cert-file", "", "certificate that audit events are taken with, PEM")
	f.StringVar(&o.Audit.KeyFile, "audit-tls-key-file", "", "key of that certificate, PEM")
	f.StringVar(&o.Audit.ClientCAFile, "audit-client-ca-file", "", "authorities of the API server's client certificate, PEM; or --audit-token-file")
	f.StringVar(&o.Audit.TokenFile, "audit-token-file", "", "`file` of the bearer token that the API server sends; or --audit-client-ca-file")
	f.IntVar(&o.Verbosity, "v", 0, "1 logs what needed nothing as well")
	if err := program.Parse(f, args, "reporter tells whoever must know what happened around git, and watches whether the gate is shut.", help); err != nil {
		return nil, err
	}
	if o.Replica == "" {
		o.Replica = program.Hostname("reporter") + "_" + string(uuid.NewUUID())
	}
	return o, nil
}

// Validate says what is wrong with the options, in one line.
func (o *Options) Validate() error {
	return cmp.Or(
		program.CheckName("--namespace", o.Namespace),
		program.CheckAddress("--metrics-bind-address", o.MetricsAddress, "0"),
		program.CheckAddress("--health-probe-bind-address", o.ProbeAddress, "0"),
		program.CheckVerbosity(o.Verbosity),
		o.Gate.Validate(o.Namespace),
		between("--heartbeat-interval", o.HeartbeatEvery, time.Second, time.Minute),
		between("--review-overdue-break-glass", o.Overdue.BreakGlass, time.Minute, maxAge),
		between("--review-overdue", o.Overdue.Other, time.Minute, maxAge),
		between("--retention-interval", o.Retention.Every, time.Second, 24*time.Hour),
		o.checkRetention(),
		o.checkArchive(),
		o.Audit.validate(),
	)
}

// maxAge is more than anybody means.
const maxAge = 10 * 365 * 24 * time.Hour

func between(name string, d, least, most time.Duration) error {
	if d < least || d > most {
		return fmt.Errorf("%s %s: must be between %s and %s", name, d, least, most)
	}
	return nil
}

func (o *Options) checkRetention() error {
	if err := o.Retention.Validate(); err != nil {
		return fmt.Errorf("--retention-age, --retention-records and --close-denied-after: %w", err)
	}
	return nil
}

func (o *Options) checkArchive() error {
	switch o.Archive {
	case archive.SinkStdout:
	case archive.SinkFile:
		if !filepath.IsAbs(o.ArchiveFile) {
			return fmt.Errorf("--archive-file %q: must be an absolute path", o.ArchiveFile)
		}
		return nil
	case postgres.Sink:
		if o.ArchiveDSNFile == "" {
			return errors.New("--archive-postgres-dsn-file: must be set with --archive=postgres")
		}
		return nil
	default:
		return fmt.Errorf("--archive %q: must be stdout, file or postgres", o.Archive)
	}
	if o.ArchiveFile != "" || o.ArchiveDSNFile != "" {
		return errors.New("--archive-file and --archive-postgres-dsn-file: say --archive=file or --archive=postgres as well")
	}
	return nil
}

func (a *auditOptions) validate() error {
	if *a == (auditOptions{}) {
		return nil
	}
	if err := program.CheckAddress("--audit-bind-address", a.Address); err != nil {
		return err
	}
	switch {
	case a.CertFile == "" || a.KeyFile == "":
		return errors.New("--audit-tls-cert-file and --audit-tls-key-file: must be set with --audit-bind-address")
	case (a.ClientCAFile == "") == (a.TokenFile == ""):
		return errors.New("--audit-client-ca-file and --audit-token-file: set exactly one, by which the API server is known")
	}
	return nil
}
