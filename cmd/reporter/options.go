package main

import (
	"cmp"
	"io"

	"k8s.io/apimachinery/pkg/util/uuid"

	"github.com/gitlatch/gitlatch/cmd/internal/program"
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
	// Verbosity 1 logs what needed nothing as well.
	Verbosity int
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
	)
}
