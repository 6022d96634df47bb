package main

import (
	"errors"
	"fmt"
	"os"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/client-go/rest"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

// server is the API server that the flags and the kubeconfig name.
type server struct {
	flags *genericclioptions.ConfigFlags
}

func newServer(streams genericiooptions.IOStreams) *server {
	flags := genericclioptions.NewConfigFlags(true)
	flags.WrapConfigFn = func(config *rest.Config) *rest.Config {
		config.UserAgent = fieldManager + "/" + buildVersion().Version
		config.WarningHandler = rest.NewWarningWriter(streams.ErrOut, rest.WarningWriterOptions{Deduplicate: true})
		return config
	}
	return &server{flags: flags}
}

// config reads the kubeconfig. client-go would go on without one, to
// localhost:8080, and end in a refused connection that says nothing.
func (s *server) config() (*rest.Config, error) {
	raw, err := s.flags.ToRawKubeConfigLoader().RawConfig()
	if err != nil {
		return nil, badInput(fmt.Errorf("reading the kubeconfig: %w", err))
	}
	inCluster := os.Getenv("KUBERNETES_SERVICE_HOST") != ""
	if len(raw.Clusters) == 0 && *s.flags.APIServer == "" && !inCluster {
		return nil, badInput(errors.New("no kubeconfig: set KUBECONFIG or pass --kubeconfig"))
	}
	config, err := s.flags.ToRESTConfig()
	if err != nil {
		return nil, badInput(fmt.Errorf("reading the kubeconfig: %w", err))
	}
	return config, nil
}

// namespace is the one to act in; explicit says that a flag named it.
func (s *server) namespace() (name string, explicit bool, err error) {
	name, explicit, err = s.flags.ToRawKubeConfigLoader().Namespace()
	if err != nil {
		return "", false, badInput(fmt.Errorf("reading the kubeconfig: %w", err))
	}
	return name, explicit, nil
}

// client speaks to the API server about Gitlatch's kinds.
func (s *server) client() (rest.Interface, error) {
	config, err := s.config()
	if err != nil {
		return nil, err
	}
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		return nil, fmt.Errorf("preparing a client: %w", err)
	}
	metav1.AddToGroupVersion(scheme, v1alpha1.GroupVersion)
	config = rest.CopyConfig(config)
	config.GroupVersion = &v1alpha1.GroupVersion
	config.APIPath = "/apis"
	config.NegotiatedSerializer = serializer.NewCodecFactory(scheme).WithoutConversion()
	client, err := rest.RESTClientFor(config)
	if err != nil {
		return nil, badInput(fmt.Errorf("preparing a client: %w", err))
	}
	return client, nil
}
