package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"sync/atomic"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/runtime"
	authorizationv1client "k8s.io/client-go/kubernetes/typed/authorization/v1"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"
	toolscache "k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/cmd/internal/program"
	"github.com/gitlatch/gitlatch/reporter/record"
	"github.com/gitlatch/gitlatch/webhook"
	"github.com/gitlatch/gitlatch/webhook/certificates"
	"github.com/gitlatch/gitlatch/webhook/registration"
)

// Room for requests; see webhook.NewBudget. With the limit of 256 MiB that the
// manifests set, one review of the greatest length fits beside the small ones.
const (
	maxRequests = 512
	maxBodies   = webhook.MaxBody + 8<<20
	maxDecoded  = 96 << 20
)

// parts are what the program consists of.
type parts struct {
	options  *Options
	log      logr.Logger
	listener net.Listener
	draining atomic.Bool

	config   *rest.Config
	scheme   *runtime.Scheme
	manager  manager.Manager
	lease    resourcelock.Interface
	leading  leading
	direct   client.Client // reads nothing from a cache
	metadata metadata.Interface

	source   certificates.Source
	policies *webhook.PolicyCache
	grants   *webhook.Grants
	writer   *record.Writer
	follower *record.Follower
	server   *http.Server
}

// leading gives the manager of one term its work. resign takes back what the term
// would leave behind.
type leading func(leader manager.Manager) (resign func(), err error)

// assemble puts the parts together, the ones that others need first.
func assemble(ctx context.Context, o *Options, listener net.Listener, l logr.Logger) (*parts, error) {
	p := &parts{options: o, log: l, listener: listener}
	for _, step := range []func(context.Context) error{
		p.makeClients,
		p.makeManager,
		p.makeLease,
		p.makeCertificates,
		p.makeRecords,
		p.makeGrants,
		p.makePolicies,
		p.makeServer,
		p.makeRegistration,
		p.makeProbes,
	} {
		if err := step(ctx); err != nil {
			return nil, err
		}
	}
	return p, nil
}

func (p *parts) makeClients(context.Context) (err error) {
	if p.config, err = program.Config(p.options.Kubeconfig, "gitlatch-webhook"); err != nil {
		return err
	}
	if p.scheme, err = newScheme(); err != nil {
		return err
	}
	p.direct, err = client.New(p.config, client.Options{Scheme: p.scheme, Mapper: newMapper()})
	if err != nil {
		return fmt.Errorf("making a client: %w", err)
	}
	if p.metadata, err = metadata.NewForConfig(metadata.ConfigFor(p.config)); err != nil {
		return fmt.Errorf("making a client for metadata: %w", err)
	}
	return nil
}

func (p *parts) makeCertificates(context.Context) (err error) {
	published := registration.Published(p.direct)
	if p.options.CertFile != "" {
		p.source, err = certificates.NewFiles(certificates.FilesOptions{
			CertFile: p.options.CertFile, KeyFile: p.options.KeyFile, CAFile: p.options.CAFile, Published: published,
		})
		if err != nil {
			return program.UsageError{Err: err}
		}
	} else {
		p.source, err = certificates.NewDynamic(certificates.DynamicOptions{
			Config: p.config, Namespace: p.options.Namespace, Secret: p.options.CASecret,
			DNSNames: dnsNames(p.options), Published: published,
			CADuration: p.options.CADuration, LeafDuration: p.options.CertificateDuration,
		})
		if err != nil {
			return err
		}
	}
	return register(p.source)
}

// dnsNames are what the API server may call the webhook.
func dnsNames(o *Options) []string {
	service := o.Gate.Service + "." + o.Namespace
	names := []string{service + ".svc", service + ".svc.cluster.local", service}
	if u, err := url.Parse(o.Gate.URL); err == nil && u.Hostname() != "" {
		names = append(names, u.Hostname())
	}
	return names
}

func (p *parts) makeRecords(context.Context) error {
	m, err := record.NewMetrics(metrics.Registry)
	if err != nil {
		return fmt.Errorf("registering the metrics of records: %w", err)
	}
	p.follower = &record.Follower{Store: p.direct, Metadata: p.metadata}
	p.writer = &record.Writer{Store: p.direct, Replica: p.options.Replica, Follows: p.follower, Metrics: m}
	return nil
}

// makeGrants watches records in two caches, since a label selector knows no "or".
func (p *parts) makeGrants(ctx context.Context) error {
	reviews, err := authorizationv1client.NewForConfig(protobuf(p.config))
	if err != nil {
		return fmt.Errorf("making a client for access reviews: %w", err)
	}
	p.grants = &webhook.Grants{
		Client: p.direct, Live: p.direct, Reviews: reviews.SubjectAccessReviews(), Clock: clock.RealClock{},
	}
	open, err := p.watchRecords(ctx, v1alpha1.LabelWindow, record.WindowOpen, cache.TransformStripManagedFields())
	if err != nil {
		return err
	}
	unresolved, err := p.watchRecords(ctx, v1alpha1.LabelUnresolved, record.Unresolved, webhook.GuardOnly)
	if err != nil {
		return err
	}
	if err := p.grants.Watch(open, unresolved); err != nil {
		return err
	}
	return register(p.grants)
}

func (p *parts) watchRecords(ctx context.Context, label, value string, keep toolscache.TransformFunc) (cache.Informer, error) {
	c, err := p.newRecordCache(label, value, keep)
	if err != nil {
		return nil, err
	}
	if err := p.manager.Add(everyReplica{c}); err != nil {
		return nil, fmt.Errorf("adding the watch of ChangeRecords: %w", err)
	}
	informer, err := c.GetInformer(ctx, &v1alpha1.ChangeRecord{}, cache.BlockUntilSynced(false))
	if err != nil {
		return nil, fmt.Errorf("watching ChangeRecords: %w", err)
	}
	return informer, nil
}

// everyReplica runs a part whether this replica leads or not: a manager takes one
// that does not say so for the leader's.
type everyReplica struct{ manager.Runnable }

// NeedLeaderElection is false: every replica judges.
func (everyReplica) NeedLeaderElection() bool { return false }

func (p *parts) makePolicies(ctx context.Context) error {
	informer, err := p.manager.GetCache().GetInformer(ctx, &v1alpha1.ChangePolicy{}, cache.BlockUntilSynced(false))
	if err != nil {
		return fmt.Errorf("watching ChangePolicies: %w", err)
	}
	p.policies = &webhook.PolicyCache{Reader: p.manager.GetCache(), Informer: informer, Synced: p.grants.Synced}
	if err := p.manager.Add(p.policies); err != nil {
		return fmt.Errorf("adding the watch of ChangePolicies: %w", err)
	}
	// Asked for here, so that no request has to wait for it.
	if _, err := p.manager.GetCache().GetInformer(ctx, namespaceMetadata(), cache.BlockUntilSynced(false)); err != nil {
		return fmt.Errorf("watching namespaces: %w", err)
	}
	return nil
}

func (p *parts) makeServer(context.Context) error {
	m, err := webhook.NewMetrics(metrics.Registry)
	if err != nil {
		return fmt.Errorf("registering the metrics of the handlers: %w", err)
	}
	pods, err := corev1client.NewForConfig(protobuf(p.config))
	if err != nil {
		return fmt.Errorf("making a client for pods: %w", err)
	}
	lookups := &webhook.Cluster{Namespaces: p.manager.GetCache(), Metadata: p.metadata, Pods: pods}
	memory, budget := &webhook.Memory{}, webhook.NewBudget(maxRequests, maxBodies, maxDecoded)
	mux := http.NewServeMux()
	for path, final := range map[string]bool{registration.GatePath: false, registration.FinalPath: true} {
		mux.Handle(path, &webhook.Handler{
			Final: final, Install: p.options.Gate.Install(p.options.Namespace),
			Policies: p.policies, Lookups: lookups, Grants: p.grants, Recorder: p.writer,
			Memory: memory, Budget: budget, Metrics: m, Log: p.log.WithName("gate"),
		})
	}
	p.server = webhook.NewServer(p.parting(mux), certificates.TLSConfig(p.source))
	return nil
}

// makeRegistration says what the leader does, anew in each of its terms: what it knew
// in an earlier one, another leader may have changed.
func (p *parts) makeRegistration(context.Context) error {
	options := p.options.Gate.Registration(p.options.Namespace)
	options.InjectCAFrom = p.options.InjectCAFrom
	m := registration.NewMetrics(metrics.Registry)
	p.leading = func(leader manager.Manager) (func(), error) {
		mine, resign := m.Term()
		r := &registration.Reconciler{
			Client: leader.GetClient(), Live: p.direct, Options: options,
			Bundle: p.source.Bundle, Changed: p.source.Changed(), Ready: p.ready,
			Tamperer: &tampers{recorder: p.writer, log: p.log.WithName("registration")},
			Metrics:  mine,
		}
		if err := r.SetupWithManager(leader); err != nil {
			return nil, fmt.Errorf("setting up the registration: %w", err)
		}
		closing := &webhook.Closing{Grants: p.grants, Metadata: p.metadata, Clock: clock.RealClock{}}
		if err := leader.Add(closing); err != nil {
			return nil, fmt.Errorf("adding the loop that ends windows: %w", err)
		}
		return resign, nil
	}
	return nil
}
