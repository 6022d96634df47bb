package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/gitlatch/gitlatch/cmd/internal/gate"
	"github.com/gitlatch/gitlatch/cmd/internal/program"
)

// Options are what can be set. The defaults are those of manifests/default.
type Options struct {
	// Kubeconfig reaches the API server. Left out: the pod's own account.
	Kubeconfig string
	// Listen is where reviews are served, as host:port.
	Listen string
	// MetricsAddress and ProbeAddress serve metrics and /healthz and /readyz; "0"
	// serves none.
	MetricsAddress, ProbeAddress string
	// Namespace that Gitlatch runs in.
	Namespace string
	// Gate is where it is reached, and which accounts are Gitlatch's.
	Gate gate.Options
	// CertFile, KeyFile and CAFile hold the serving certificate. Left out: it is
	// issued from an authority in the Secret CASecret, which the replicas share.
	CertFile, KeyFile, CAFile, CASecret string
	// InjectCAFrom is the cert-manager Certificate, as namespace/name, whose authority
	// cert-manager's CA injector registers. Left out: Gitlatch registers its own.
	InjectCAFrom string
	// CADuration and CertificateDuration are how long what is issued lives.
	CADuration, CertificateDuration time.Duration
	// Replica names this process in counts; the pod's name. Left out: the host's.
	Replica string
	// LeaderElect has one replica keep the registration and end windows.
	LeaderElect bool
	// Drain is how long reviews are answered after the signal to stop, while the
	// API server still sends some.
	Drain time.Duration
	// Verbosity 1 logs what is allowed as well.
	Verbosity int
}

// parseOptions reads the command line. Its error is one line.
func parseOptions(args []string, env func(string) string, help io.Writer) (*Options, error) {
	o := &Options{}
	f := program.NewFlags("webhook")
	f.StringVar(&o.Kubeconfig, "kubeconfig", "", "kubeconfig `file`; left out: the account of the pod")
	f.StringVar(&o.Listen, "listen", ":9443", "`host:port` to serve reviews on")
	f.StringVar(&o.MetricsAddress, "metrics-bind-address", ":8080", "`host:port` to serve metrics on; 0: none")
	f.StringVar(&o.ProbeAddress, "health-probe-bind-address", ":8081", "`host:port` to serve /healthz and /readyz on; 0: none")
	f.StringVar(&o.Namespace, "namespace", cmp.Or(env("POD_NAMESPACE"), "gitlatch-system"), "`namespace` that Gitlatch runs in")
	o.Gate.Bind(f)
	f.StringVar(&o.CertFile, "tls-cert-file", "", "serving certificate, PEM; left out: one is issued")
	f.StringVar(&o.KeyFile, "tls-key-file", "", "key of the serving certificate, PEM")
	f.StringVar(&o.CAFile, "tls-ca-file", "", "authorities to register with it, PEM; with --inject-ca-from until the injector has registered them; left out: somebody else injects them")
	f.StringVar(&o.CASecret, "ca-secret", "gitlatch-webhook-ca", "`name` of the Secret that keeps the authority of issued certificates")
	f.StringVar(&o.InjectCAFrom, "inject-ca-from", "", "cert-manager Certificate, as `namespace/name`, whose authority cert-manager's CA injector registers")
	f.DurationVar(&o.CADuration, "ca-duration", 365*24*time.Hour, "lifetime of the authority of issued certificates; it is renewed after two thirds")
	f.DurationVar(&o.CertificateDuration, "certificate-duration", 7*24*time.Hour, "lifetime of an issued certificate; it is renewed after half")
	f.StringVar(&o.Replica, "replica", cmp.Or(env("POD_NAME"), program.Hostname("webhook")), "`name` of this replica")
	f.BoolVar(&o.LeaderElect, "leader-elect", true, "elect the replica that keeps the registration and ends windows")
	f.DurationVar(&o.Drain, "drain", 5*time.Second, "how long to go on answering after the signal to stop")
	f.IntVar(&o.Verbosity, "v", 0, "1 logs what is allowed as well")
	if err := program.Parse(f, args, "webhook serves Gitlatch's admission webhooks and keeps them registered.", help); err != nil {
		return nil, err
	}
	return o, nil
}

// shortest life of a certificate that leaves time to change its authority.
const shortest = 30 * time.Second

// Validate says what is wrong with the options, in one line.
func (o *Options) Validate() error {
	err := cmp.Or(
		program.CheckAddress("--listen", o.Listen),
		program.CheckAddress("--metrics-bind-address", o.MetricsAddress, "0"),
		program.CheckAddress("--health-probe-bind-address", o.ProbeAddress, "0"),
		program.CheckName("--namespace", o.Namespace),
		program.CheckName("--ca-secret", o.CASecret),
		program.CheckVerbosity(o.Verbosity),
	)
	if err != nil {
		return err
	}
	switch {
	case (o.CertFile == "") != (o.KeyFile == ""):
		return errors.New("--tls-cert-file and --tls-key-file: set both, or neither")
	case o.CAFile != "" && o.CertFile == "":
		return errors.New("--tls-ca-file: set --tls-cert-file and --tls-key-file as well")
	case o.InjectCAFrom != "" && o.CertFile == "":
		return errors.New("--inject-ca-from: set --tls-cert-file and --tls-key-file as well")
	case o.InjectCAFrom != "" && strings.Count(o.InjectCAFrom, "/") != 1:
		return fmt.Errorf("--inject-ca-from %s: must be namespace/name of a Certificate", o.InjectCAFrom)
	case o.CertificateDuration < shortest:
		return fmt.Errorf("--certificate-duration %s: must be at least %s", o.CertificateDuration, shortest)
	case o.CADuration < 3*o.CertificateDuration:
		return fmt.Errorf("--ca-duration %s: must be at least three times --certificate-duration, %s", o.CADuration, 3*o.CertificateDuration)
	case o.Replica == "":
		return errors.New("--replica: must not be empty")
	case o.Drain < 0 || o.Drain > time.Minute:
		return fmt.Errorf("--drain %s: must be between 0 and 1m", o.Drain)
	}
	return o.Gate.Validate(o.Namespace)
}
