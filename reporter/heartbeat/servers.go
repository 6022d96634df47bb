package heartbeat

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/policy"
)

const (
	// patience bounds one canary. Two webhooks that hang take the API server six
	// seconds; by then a beat must be over. One that answers does so within two.
	patience = 4 * time.Second
	// dialPatience tells an API server that is not there from one that is slow.
	dialPatience = 2 * time.Second
	// keepAlive of connections to API servers.
	keepAlive = 30 * time.Second
)

// servers are the API servers, each with a client that goes to it alone.
type servers struct {
	config *rest.Config
	reader client.Reader

	clients map[string]rest.Interface // by host
}

// hosts are those behind the Service kubernetes.
func (s *servers) hosts(ctx context.Context) ([]string, error) {
	var slices_ discoveryv1.EndpointSliceList
	err := s.reader.List(ctx, &slices_, client.InNamespace("default"), client.MatchingLabels{discoveryv1.LabelServiceName: "kubernetes"})
	if err != nil {
		return nil, fmt.Errorf("listing the API servers: %w", err)
	}
	return hostsOf(slices_.Items), nil
}

func hostsOf(items []discoveryv1.EndpointSlice) []string {
	var out []string
	for _, item := range items {
		for _, port := range item.Ports {
			if port.Port == nil || port.Name != nil && *port.Name != "" && *port.Name != "https" {
				continue
			}
			for _, e := range item.Endpoints {
				if e.Conditions.Ready != nil && !*e.Conditions.Ready {
					continue
				}
				for _, address := range e.Addresses {
					out = append(out, net.JoinHostPort(address, strconv.Itoa(int(*port.Port))))
				}
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// ask puts both canaries to every API server. Where none of them is known or reached,
// as with an address that is told to nobody, the configured one is asked.
func (s *servers) ask(ctx context.Context) []answer {
	hosts, err := s.hosts(ctx)
	var answers []answer
	if err == nil {
		answers = s.askAll(ctx, hosts)
	}
	heard := slices.ContainsFunc(answers, func(a answer) bool { return a.result != resultUnreachable })
	if !heard {
		answers = append(answers, s.askAll(ctx, []string{""})...)
	}
	s.forget(hosts)
	return answers
}

func (s *servers) askAll(ctx context.Context, hosts []string) []answer {
	canaries := policy.Canaries()
	answers := make([]answer, len(hosts)*len(canaries))
	var asking sync.WaitGroup
	for i, host := range hosts {
		c, err := s.client(host)
		for j, canary := range canaries {
			at, name := i*len(canaries)+j, s.named(host)
			if err != nil {
				answers[at] = answer{server: name, canary: canary, result: resultUnreachable, detail: err.Error()}
				continue
			}
			asking.Go(func() { answers[at] = read(name, canary, send(ctx, c, canary)) })
		}
	}
	asking.Wait()
	return answers
}

func send(ctx context.Context, c rest.Interface, canary string) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	options := &metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}, FieldManager: v1alpha1.FieldManager}
	err := c.Post().Resource("changerecords").VersionedParams(options, metav1.ParameterCodec).
		Body(newCanary(canary)).MaxRetries(0).Do(ctx).Error()
	if err != nil && ctx.Err() != nil {
		return fmt.Errorf("%w: %w", context.DeadlineExceeded, err)
	}
	return err
}

// named is how people are told of it; "" is the configured one.
func (s *servers) named(host string) string {
	if host != "" {
		return host
	}
	return s.config.Host
}

// client goes to one API server. Its certificate must be good for the name that all of
// them are reached under.
func (s *servers) client(host string) (rest.Interface, error) {
	if c, known := s.clients[host]; known {
		return c, nil
	}
	config := rest.CopyConfig(s.config)
	if host != "" {
		if config.ServerName == "" {
			config.ServerName = serverName(config.Host)
		}
		config.Host = "https://" + host
	}
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		return nil, fmt.Errorf("registering kinds: %w", err)
	}
	metav1.AddToGroupVersion(scheme, v1alpha1.GroupVersion)
	config.GroupVersion, config.APIPath = &v1alpha1.GroupVersion, "/apis"
	config.ContentType, config.AcceptContentTypes = runtime.ContentTypeJSON, runtime.ContentTypeJSON
	config.NegotiatedSerializer = serializer.NewCodecFactory(scheme).WithoutConversion()
	config.QPS = -1 // few, and none may wait for the others
	config.Dial = (&net.Dialer{Timeout: dialPatience, KeepAlive: keepAlive}).DialContext
	c, err := rest.RESTClientFor(config)
	if err != nil {
		return nil, fmt.Errorf("making a client of the API server at %s: %w", host, err)
	}
	if s.clients == nil {
		s.clients = map[string]rest.Interface{}
	}
	s.clients[host] = c
	return c, nil
}

// forget drops the clients of API servers that are no more.
func (s *servers) forget(hosts []string) {
	for host := range s.clients {
		if host != "" && !slices.Contains(hosts, host) {
			delete(s.clients, host)
		}
	}
}

// serverName is what the certificate of the configured host is good for.
func serverName(host string) string {
	if !strings.Contains(host, "://") {
		host = "https://" + host
	}
	if u, err := url.Parse(host); err == nil && u.Hostname() != "" {
		return u.Hostname()
	}
	return "kubernetes.default.svc"
}
