package registration

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	admissionv1 "k8s.io/api/admissionregistration/v1"

	"github.com/gitlatch/gitlatch/policy"
)

// Name of both webhook configurations.
const Name = "gitlatch"

// Paths that the two webhooks are served under.
const (
	GatePath  = "/gate"
	FinalPath = "/final"
)

// Service is how the API server reaches the webhook inside a cluster.
type Service struct {
	Namespace, Name string
	// Port of the Service. Left out: 443.
	Port int32
	// Path before [GatePath] and [FinalPath]. Left out: none.
	Path string
}

// Options are what the policies don't say.
type Options struct {
	// Install names Gitlatch's own parts: what is guarded whatever the policies.
	Install policy.Installation
	// Service or URL is where the webhook is; exactly one. URL is a base such as
	// "https://10.0.0.5:9443", for a control plane outside the cluster.
	Service *Service
	URL     string
	// CABundle is what the webhook's certificate is verified by, PEM. Left out: the
	// bundle that is there stays, since somebody else injects it.
	CABundle []byte
	// InjectCAFrom is the cert-manager Certificate, as namespace/name, whose authority
	// cert-manager's CA injector puts there. CABundle then stands only where there is
	// none yet. Left out: no injector is asked.
	InjectCAFrom string
	// FailurePolicy is what happens when the webhook can't be asked. Left out:
	// Ignore, which the backstop and the heartbeat stand behind.
	FailurePolicy admissionv1.FailurePolicyType
}

// Validate says what is wrong with the options, in one line.
func (o *Options) Validate() error {
	if o.Install.Namespace == "" {
		return errors.New("the namespace that Gitlatch runs in must be set")
	}
	switch o.FailurePolicy {
	case "", admissionv1.Ignore, admissionv1.Fail:
	default:
		return fmt.Errorf("failure policy %q: must be Ignore or Fail", o.FailurePolicy)
	}
	if (o.Service == nil) == (o.URL == "") {
		return errors.New("exactly one of a Service and a URL must say where the webhook is")
	}
	if o.Service != nil {
		if o.Service.Namespace == "" || o.Service.Name == "" {
			return errors.New("the webhook's Service needs a namespace and a name")
		}
		return nil
	}
	u, err := url.Parse(o.URL)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		return fmt.Errorf("webhook URL %q: must be https://host:port, with a path at most", o.URL)
	}
	return nil
}

func (o *Options) client(path string) admissionv1.WebhookClientConfig {
	out := admissionv1.WebhookClientConfig{CABundle: o.CABundle}
	if o.Service == nil {
		u := strings.TrimSuffix(o.URL, "/") + path
		out.URL = &u
		return out
	}
	port := o.Service.Port
	if port == 0 {
		port = 443
	}
	full := strings.TrimSuffix(o.Service.Path, "/") + path
	out.Service = &admissionv1.ServiceReference{
		Namespace: o.Service.Namespace, Name: o.Service.Name, Path: &full, Port: &port,
	}
	return out
}
