package live

import (
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"
)

// Cluster is one API server under one identity. It is safe for concurrent use.
type Cluster struct {
	// People are the names of further field managers that are people, besides those of
	// kubectl, helm, browsers and dashboards; a "*" at the end stands for any ending.
	// Set it before the first use.
	People []string

	config   *rest.Config
	http     *http.Client
	metadata metadata.Interface
	dynamic  dynamic.Interface
	rest     *rest.RESTClient // whose answers are metadata, and raw lists

	mu     sync.RWMutex
	mapper meta.RESTMapper
	learnt time.Time // since when the mapper learns
}

// New returns the cluster that the config leads to; the config carries what is
// impersonated. The client holds no call back: the API server says how much is too
// much (429 and Retry-After, which are obeyed), and a context bounds each call.
func New(config *rest.Config) (*Cluster, error) {
	config = rest.CopyConfig(config)
	config.QPS, config.RateLimiter = -1, nil
	if config.WarningHandler == nil && config.WarningHandlerWithContext == nil {
		config.WarningHandler = rest.NoWarnings{}
	}
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		return nil, fmt.Errorf("making an HTTP client for %s: %w", config.Host, err)
	}
	c := &Cluster{config: config, http: client}
	if c.metadata, err = metadata.NewForConfigAndClient(config, client); err != nil {
		return nil, fmt.Errorf("making a metadata client for %s: %w", config.Host, err)
	}
	if c.dynamic, err = dynamic.NewForConfigAndClient(config, client); err != nil {
		return nil, fmt.Errorf("making a client for %s: %w", config.Host, err)
	}
	shaped := metadata.ConfigFor(config)
	shaped.GroupVersion, shaped.APIPath = &schema.GroupVersion{}, "/"
	if c.rest, err = rest.RESTClientForConfigAndClient(shaped, client); err != nil {
		return nil, fmt.Errorf("making a REST client for %s: %w", config.Host, err)
	}
	return c, c.forget()
}

// forget drops what was learnt of the API server's kinds; the next use asks again,
// group by group.
func (c *Cluster) forget() error {
	mapper, err := apiutil.NewDynamicRESTMapper(c.config, c.http)
	if err != nil {
		return fmt.Errorf("making a mapper of kinds: %w", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mapper, c.learnt = mapper, time.Now()
	return nil
}

// mapping says where a kind is served. Kinds of a group are asked for once.
func (c *Cluster) mapping(gvk schema.GroupVersionKind) (*meta.RESTMapping, error) {
	c.mu.RLock()
	mapper := c.mapper
	c.mu.RUnlock()
	m, err := mapper.RESTMapping(gvk.GroupKind(), gvk.Version)
	if err != nil {
		return nil, fmt.Errorf("looking for where %s is served: %w", gvk, err)
	}
	return m, nil
}

// unserved says that the API server does not serve the kind, rather than that it
// could not be asked.
func unserved(err error) bool { return meta.IsNoMatchError(err) }

func (c *Cluster) metadataOf(m *meta.RESTMapping, namespace string) metadata.ResourceInterface {
	if m.Scope.Name() == meta.RESTScopeNameRoot || namespace == "" {
		return c.metadata.Resource(m.Resource)
	}
	return c.metadata.Resource(m.Resource).Namespace(namespace)
}

// path of an object, or, with an empty name, of its kind, below the API server's
// root.
func path(m *meta.RESTMapping, namespace, name string) []string {
	segments := []string{"apis", m.Resource.Group, m.Resource.Version}
	if m.Resource.Group == "" {
		segments = []string{"api", m.Resource.Version}
	}
	if m.Scope.Name() != meta.RESTScopeNameRoot && namespace != "" {
		segments = append(segments, "namespaces", namespace)
	}
	segments = append(segments, m.Resource.Resource)
	if name != "" {
		segments = append(segments, name)
	}
	return segments
}

// errMoved: somebody was faster, several times in a row.
var errMoved = errors.New("it changes faster than it can be written")
