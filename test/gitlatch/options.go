package gitlatch

import (
	"errors"
	"io"
	"path/filepath"

	"github.com/gitlatch/gitlatch/test/cluster"
)

// Names of what the manifests install.
const (
	Namespace      = "gitlatch-system"
	Account        = "gitlatch-webhook"
	deployment     = "gitlatch-webhook"
	service        = "gitlatch-webhook"
	registration   = "gitlatch"
	componentLabel = "app.kubernetes.io/component=webhook"
)

// Options say how Gitlatch is installed. The zero value is one replica, reached by URL, with the webhook's defaults.
type Options struct {
	// Replicas is how many webhooks run. Left out: 1.
	Replicas int

	// FailurePolicy is "Ignore" or "Fail". Left out: the webhook's own default.
	FailurePolicy string

	// Service has the API server call through the Service gitlatch-webhook, made an ExternalName of localhost, instead
	// of a URL.
	Service bool

	// Flags come after the flags that we give, and so win over them.
	Flags []string

	// LogDir is where each replica's output goes, webhook-0.log and so on. Left out: the cluster's log directory.
	LogDir string

	// Binary is a webhook that is built already. Left out: it is built into the cluster's directory.
	Binary string

	// Detached lets the webhook outlive the process that starts it; [StopDir] stops it. One replica only, without a
	// proxy, since that would have to live on as well.
	Detached bool

	// Progress is told what is done; left out, nobody is.
	Progress io.Writer
}

func (o Options) defaulted(c *cluster.Cluster) (Options, error) {
	if o.Replicas == 0 {
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
