package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"time"

	admissionv1 "k8s.io/api/admissionregistration/v1"

	"github.com/gitlatch/gitlatch/cmd/internal/program"
	"github.com/gitlatch/gitlatch/policy"
	"github.com/gitlatch/gitlatch/webhook/registration"
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
	// Service is the name of the Service in front of the webhook, in Namespace.
	Service string
	// ServicePort of it.
	ServicePort int
	// URL reaches the webhook instead of the Service, as https://host:port, for a
	// control plane outside the cluster. Left out: the Service.
	URL string
	// FailurePolicy is what the API server does when the webhook can't be asked:
	// Ignore or Fail.
	FailurePolicy string
	// WebhookAccount, ApplierAccount and ReporterAccount are the service accounts of
	// Gitlatch's parts, in Namespace.
	WebhookAccount, ApplierAccount, ReporterAccount string
	// CertFile, KeyFile and CAFile hold the serving certificate. Left out: it is
	// issued from an authority in the Secret CASecret, which the replicas share.
	CertFile, KeyFile, CAFile, CASecret string
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
	f.StringVar(&o.Service, "service", "gitlatch-webhook", "`name` of the Service in front of the webhook")
	f.IntVar(&o.ServicePort, "service-port", 443, "`port` of the Service")
	f.StringVar(&o.URL, "webhook-url", "", "https://host:port that the API server reaches the webhook under, instead of the Service")
	f.StringVar(&o.FailurePolicy, "failure-policy", "Ignore", "what the API server does when the webhook can't be asked: Ignore or Fail")
	f.StringVar(&o.WebhookAccount, "webhook-account", "gitlatch-webhook", "service `account` of the webhook")
	f.StringVar(&o.ApplierAccount, "applier-account", "gitlatch-applier", "service `account` of the applier")
	f.StringVar(&o.ReporterAccount, "reporter-account", "gitlatch-reporter", "service `account` of the reporter")
	f.StringVar(&o.CertFile, "tls-cert-file", "", "serving certificate, PEM; left out: one is issued")
	f.StringVar(&o.KeyFile, "tls-key-file", "", "key of the serving certificate, PEM")
	f.StringVar(&o.CAFile, "tls-ca-file", "", "authorities to register with it, PEM; left out: somebody else injects them")
	f.StringVar(&o.CASecret, "ca-secret", "gitlatch-webhook-ca", "`name` of the Secret that keeps the authority of issued certificates")
	f.StringVar(&o.Replica, "replica", cmp.Or(env("POD_NAME"), program.Hostname("webhook")), "`name` of this replica")
	f.BoolVar(&o.LeaderElect, "leader-elect", true, "elect the replica that keeps the registration and ends windows")
	f.DurationVar(&o.Drain, "drain", 5*time.Second, "how long to go on answering after the signal to stop")
	f.IntVar(&o.Verbosity, "v", 0, "1 logs what is allowed as well")
	if err := program.Parse(f, args, "webhook serves Gitlatch's admission webhooks and keeps them registered.", help); err != nil {
		return nil, err
	}
	return o, nil
}

// Validate says what is wrong with the options, in one line.
func (o *Options) Validate() error {
	err := cmp.Or(
		program.CheckAddress("--listen", o.Listen),
		program.CheckAddress("--metrics-bind-address", o.MetricsAddress, "0"),
		program.CheckAddress("--health-probe-bind-address", o.ProbeAddress, "0"),
		program.CheckName("--namespace", o.Namespace),
		program.CheckName("--service", o.Service),
		program.CheckName("--ca-secret", o.CASecret),
		program.CheckName("--webhook-account", o.WebhookAccount),
		program.CheckName("--applier-account", o.ApplierAccount),
		program.CheckName("--reporter-account", o.ReporterAccount),
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
	case o.Replica == "":
		return errors.New("--replica: must not be empty")
	case o.Drain < 0 || o.Drain > time.Minute:
		return fmt.Errorf("--drain %s: must be between 0 and 1m", o.Drain)
	case o.ServicePort < 1 || o.ServicePort > 65535:
		return fmt.Errorf("--service-port %d: must be between 1 and 65535", o.ServicePort)
	}
	r := o.registration()
	if err := r.Validate(); err != nil {
		return fmt.Errorf("--webhook-url, --service and --failure-policy: %w", err)
	}
	return nil
}

func (o *Options) install() policy.Installation {
	return policy.Installation{
		Namespace: o.Namespace, Webhook: o.WebhookAccount, Applier: o.ApplierAccount, Reporter: o.ReporterAccount,
	}
}

func (o *Options) registration() registration.Options {
	r := registration.Options{
		Install: o.install(), URL: o.URL, FailurePolicy: admissionv1.FailurePolicyType(o.FailurePolicy),
	}
	if o.URL == "" {
		r.Service = &registration.Service{Namespace: o.Namespace, Name: o.Service, Port: int32(o.ServicePort)}
	}
	return r
}
