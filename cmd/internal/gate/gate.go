// Package gate is what both the webhook, which registers itself, and the reporter,
// which looks whether it is registered so, must be told alike: where the API server
// reaches the gate, and which accounts are Gitlatch's.
//
// It may import policy and webhook/registration, and cmd/internal/program.
package gate

import (
	"cmp"
	"flag"
	"fmt"

	admissionv1 "k8s.io/api/admissionregistration/v1"

	"github.com/gitlatch/gitlatch/cmd/internal/program"
	"github.com/gitlatch/gitlatch/policy"
	"github.com/gitlatch/gitlatch/webhook/registration"
)

// Options are the flags that both have.
type Options struct {
	// Service is the name of the Service in front of the webhook, in Gitlatch's
	// namespace.
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
	// Gitlatch's parts, in its namespace.
	WebhookAccount, ApplierAccount, ReporterAccount string
}

// Bind adds the flags.
func (o *Options) Bind(f *flag.FlagSet) {
	f.StringVar(&o.Service, "service", "gitlatch-webhook", "`name` of the Service in front of the webhook")
	f.IntVar(&o.ServicePort, "service-port", 443, "`port` of the Service")
	f.StringVar(&o.URL, "webhook-url", "", "https://host:port that the API server reaches the webhook under, instead of the Service")
	f.StringVar(&o.FailurePolicy, "failure-policy", "Ignore", "what the API server does when the webhook can't be asked: Ignore or Fail")
	f.StringVar(&o.WebhookAccount, "webhook-account", "gitlatch-webhook", "service `account` of the webhook")
	f.StringVar(&o.ApplierAccount, "applier-account", "gitlatch-applier", "service `account` of the applier")
	f.StringVar(&o.ReporterAccount, "reporter-account", "gitlatch-reporter", "service `account` of the reporter")
}

// Validate says what is wrong with the options, in one line.
func (o *Options) Validate(namespace string) error {
	err := cmp.Or(
		program.CheckName("--service", o.Service),
		program.CheckName("--webhook-account", o.WebhookAccount),
		program.CheckName("--applier-account", o.ApplierAccount),
		program.CheckName("--reporter-account", o.ReporterAccount),
	)
	if err != nil {
		return err
	}
	if o.ServicePort < 1 || o.ServicePort > 65535 {
		return fmt.Errorf("--service-port %d: must be between 1 and 65535", o.ServicePort)
	}
	r := o.Registration(namespace)
	if err := r.Validate(); err != nil {
		return fmt.Errorf("--webhook-url, --service and --failure-policy: %w", err)
	}
	return nil
}

// Install names Gitlatch's own parts.
func (o *Options) Install(namespace string) policy.Installation {
	return policy.Installation{
		Namespace: namespace, Webhook: o.WebhookAccount, Applier: o.ApplierAccount, Reporter: o.ReporterAccount,
	}
}

// Registration is how the gate is registered.
func (o *Options) Registration(namespace string) registration.Options {
	r := registration.Options{
		Install: o.Install(namespace), URL: o.URL, FailurePolicy: admissionv1.FailurePolicyType(o.FailurePolicy),
	}
	if o.URL == "" {
		r.Service = &registration.Service{Namespace: namespace, Name: o.Service, Port: int32(o.ServicePort)}
	}
	return r
}
