package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

// leaseName is the lease that the leader holds; the manifests grant it by name.
const leaseName = "gitlatch-webhook"

// protobuf is for the built-in kinds, which it makes smaller and faster to read.
func protobuf(config *rest.Config) *rest.Config {
	config = rest.CopyConfig(config)
	config.ContentType = runtime.ContentTypeProtobuf
	config.AcceptContentTypes = runtime.ContentTypeProtobuf + "," + runtime.ContentTypeJSON
	return config
}

func newScheme() (*runtime.Scheme, error) {
	s := runtime.NewScheme()
	metav1.AddToGroupVersion(s, corev1.SchemeGroupVersion)
	for _, add := range []func(*runtime.Scheme) error{v1alpha1.AddToScheme, admissionregistrationv1.AddToScheme} {
		if err := add(s); err != nil {
			return nil, fmt.Errorf("registering kinds: %w", err)
		}
	}
	return s, nil
}

// newMapper knows the few kinds that are read: discovery would read, and keep,
// something of every kind of the cluster.
func newMapper() meta.RESTMapper {
	m := meta.NewDefaultRESTMapper(nil)
	for gv, kinds := range map[schema.GroupVersion][]string{
		v1alpha1.GroupVersion: {"ChangePolicy", "ChangeRecord"},
		admissionregistrationv1.SchemeGroupVersion: {
			"MutatingWebhookConfiguration", "ValidatingWebhookConfiguration", "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding",
		},
		corev1.SchemeGroupVersion: {"Namespace"},
	} {
		for _, kind := range kinds {
			m.Add(gv.WithKind(kind), meta.RESTScopeRoot)
		}
	}
	return m
}

func mapper(*rest.Config, *http.Client) (meta.RESTMapper, error) { return newMapper(), nil }

// makeManager runs the caches and the loops that every replica has. Its caches hold
// policies and the labels of namespaces, nothing else.
func (p *parts) makeManager(context.Context) (err error) {
	p.manager, err = manager.New(p.config, manager.Options{
		Scheme:         p.scheme,
		Logger:         p.log,
		MapperProvider: mapper,
		Cache: cache.Options{
			DefaultTransform: cache.TransformStripManagedFields(),
			ByObject:         map[client.Object]cache.ByObject{namespaceMetadata(): {Transform: labelsOnly}},
		},
		Metrics:                metricsserver.Options{BindAddress: p.options.MetricsAddress},
		HealthProbeBindAddress: p.options.ProbeAddress,
	})
	if err != nil {
		return fmt.Errorf("making the manager: %w", err)
	}
	return nil
}

// newRecordCache watches the records with a label, and keeps of them what the
// transform leaves.
func (p *parts) newRecordCache(label, value string, keep toolscache.TransformFunc) (cache.Cache, error) {
	c, err := cache.New(p.config, cache.Options{
		Scheme: p.scheme,
		Mapper: newMapper(),
		ByObject: map[client.Object]cache.ByObject{
			&v1alpha1.ChangeRecord{}: {Label: labels.SelectorFromSet(labels.Set{label: value}), Transform: keep},
		},
	})
	if err != nil {
		return nil, fmt.Errorf("making the cache of ChangeRecords: %w", err)
	}
	return c, nil
}

func namespaceMetadata() *metav1.PartialObjectMetadata {
	ns := &metav1.PartialObjectMetadata{}
	ns.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Namespace"))
	return ns
}

// labelsOnly keeps of a namespace what is asked for.
func labelsOnly(object any) (any, error) {
	ns, ok := object.(*metav1.PartialObjectMetadata)
	if !ok {
		return object, nil
	}
	ns.Annotations, ns.ManagedFields, ns.OwnerReferences, ns.Finalizers = nil, nil, nil, nil
	return ns, nil
}

// register adds collectors to the metrics that the manager serves.
func register(collectors ...prometheus.Collector) error {
	for _, c := range collectors {
		if err := metrics.Registry.Register(c); err != nil {
			return fmt.Errorf("registering metrics: %w", err)
		}
	}
	return nil
}

// makeProbes: alive is a process that runs; ready is one that can answer.
func (p *parts) makeProbes(context.Context) error {
	if err := p.manager.AddHealthzCheck("ping", healthz.Ping); err != nil {
		return fmt.Errorf("adding the liveness probe: %w", err)
	}
	if err := p.manager.AddReadyzCheck("gate", func(*http.Request) error { return p.ready() }); err != nil {
		return fmt.Errorf("adding the readiness probe: %w", err)
	}
	return nil
}

// ready is nil while this replica can answer reviews.
func (p *parts) ready() error {
	switch {
	case p.draining.Load():
		return errors.New("stopping")
	case !p.policies.Loaded():
		return errors.New("the policies and windows have not been read yet")
	}
	return p.source.Ready()
}
