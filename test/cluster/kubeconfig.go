package cluster

import (
	"fmt"
	"path/filepath"
	"strings"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// Config returns how this user reaches the cluster: "admin" (group system:masters), "alice", "bob" and "carol" (group
// devs), "oncall" (group oncall), "reviewer" (group reviewers), "pipeline" (ServiceAccount ci/pipeline, its token bound
// to no pod), and every [Identity.Login]. The copy is the caller's. It panics on anybody else: a test that misspells a
// name would otherwise see an anonymous denial and take it for Gitlatch's.
func (c *Cluster) Config(user string) *rest.Config {
	c.mu.Lock()
	defer c.mu.Unlock()
	config, ok := c.users[user]
	if !ok {
		panic(fmt.Sprintf("cluster: nobody here is called %q", user))
	}
	return rest.CopyConfig(config)
}

// Kubeconfig returns the path of this user's kubeconfig file; see [Cluster.Config] for who is there.
func (c *Cluster) Kubeconfig(user string) string {
	_ = c.Config(user) // panics on a stranger
	return c.kubeconfigPath(user)
}

func (c *Cluster) kubeconfigPath(user string) string {
	return filepath.Join(c.dir, "kubeconfig", strings.NewReplacer("/", "_", ":", "_").Replace(user))
}

// know makes a user known by this name, to Config and by a kubeconfig file.
func (c *Cluster) know(user string, config *rest.Config) error {
	if err := writeKubeconfig(c.kubeconfigPath(user), user, config); err != nil {
		return fmt.Errorf("writing the kubeconfig of %s: %w", user, err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.users[user] = config
	return nil
}

func writeKubeconfig(path, user string, config *rest.Config) error {
	kubeconfig := clientcmdapi.NewConfig()
	kubeconfig.Clusters["gitlatch"] = &clientcmdapi.Cluster{
		Server:                   config.Host,
		CertificateAuthorityData: config.CAData,
	}
	kubeconfig.AuthInfos[user] = &clientcmdapi.AuthInfo{
		Token:                 config.BearerToken,
		ClientCertificateData: config.CertData,
		ClientKeyData:         config.KeyData,
	}
	kubeconfig.Contexts["gitlatch"] = &clientcmdapi.Context{Cluster: "gitlatch", AuthInfo: user}
	kubeconfig.CurrentContext = "gitlatch"
	return clientcmd.WriteToFile(*kubeconfig, path)
}

// anonymous reaches the cluster with no credentials. Clients are not throttled: a test that fires a thousand requests
// tests the server's patience, not client-go's.
func (c *Cluster) anonymous() *rest.Config {
	return &rest.Config{
		Host:            c.URL(),
		QPS:             -1,
		TLSClientConfig: rest.TLSClientConfig{CAData: c.authority.pem},
	}
}

func (c *Cluster) withToken(token string) *rest.Config {
	config := c.anonymous()
	config.BearerToken = token
	return config
}
