package gitlatch

import (
	"errors"
	"io"
	"path/filepath"

	"github.com/gitlatch/gitlatch/test/cluster"
)

// Names of what the manifests install.
const (
	Namespace       = "gitlatch-system"
	Account         = "gitlatch-webhook"
	ApplierAccount  = "gitlatch-applier"
	ReporterAccount = "gitlatch-reporter"
	service         = "gitlatch-webhook"
	registration    = "gitlatch"
)

// The commands that run in the cluster. Each is also the component of its Deployment, gitlatch-<component>, and what its
// processes are called.
const (
	webhook  = "webhook"
	applier  = "applier"
	reporter = "reporter"
)

// Options say how Gitlatch is installed. The zero value is one replica, reached by URL, with the webhook's defaults.
type Options struct {
	// NoWebhook leaves the gate out: nothing is governed. Left out: there is one.
	NoWebhook bool

	// Applier starts the applier. Left out: its Deployment has no pods.
	Applier bool

	// ApplierFlags come after the flags that we give the applier, and so win over them.
	ApplierFlags []string

	// ApplierBinary is an applier that is built already. Left out: it is built into the cluster's directory.
	ApplierBinary string

	// Reporter starts the reporter. Left out: its Deployment has no pods.
	Reporter bool

	// ReporterFlags come after the flags that we give the reporter, and so win over them.
	ReporterFlags []string

	// ReporterBinary is a reporter that is built already. Left out: it is built into the cluster's directory.
	ReporterBinary string

	// Replicas is how many webhooks run. Left out: 1.
	Replicas int

	// FailurePolicy is "Ignore" or "Fail". Left out: the webhook's own default.
	FailurePolicy string

	// Service has the API server call through the Service gitlatch-webhook, made an ExternalName of localhost, instead
	// of a URL.
	Service bool

	// Flags come after the flags that we give the webhook, and so win over them.
	Flags []string

	// LogDir is where each process's output goes, webhook-0.log, applier.log and so on. Left out: the cluster's log directory.
	LogDir string

	// Binary is a webhook that is built already. Left out: it is built into the cluster's directory.
	Binary string

	// Detached lets them outlive the process that starts them; [StopDir] stops them. One replica only,
	// without a proxy, since that would have to live on as well.
	Detached bool

	// Progress is told what is done; left out, nobody is.
	Progress io.Writer
}

func (o Options) defaulted(c *cluster.Cluster) (Options, error) {
	switch {
	case o.NoWebhook && (o.Replicas != 0 || o.Service):
		return o, errors.New("no webhook has no replicas and no Service")
	case !o.NoWebhook && o.Replicas == 0:
		o.Replicas = 1
	}
	if o.LogDir == "" {
		o.LogDir = filepath.Join(c.Dir(), "log")
	}
	if o.Progress == nil {
		o.Progress = io.Discard
	}
	if o.Detached && (o.Replicas > 1 || o.Service) {
		return o, errors.New("a detached Gitlatch has one replica and a URL")
	}
	return o, nil
}
