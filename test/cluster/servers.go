package cluster

import (
	"fmt"
	"path/filepath"
)

// Server is one of the three servers of a control plane.
type Server string

// The servers, named as their programs are.
const (
	Etcd              Server = etcdName
	APIServer         Server = apiServerName
	ControllerManager Server = controllerManagerName
)

// issuer is in every service-account token; it need not be reachable.
const issuer = "https://kubernetes.default.svc.cluster.local"

func (c *Cluster) etcdArgs() []string {
	url := "http://" + c.etcdPort.Address()
	args := []string{
		"--name=gitlatch",
		"--data-dir=" + filepath.Join(c.dir, "etcd"),
		"--listen-client-urls=" + url,
		"--advertise-client-urls=" + url,
		"--listen-peer-urls=http://127.0.0.1:0", // one member has no peers, but the flag wants a port
	}
	if !c.options.Fsync {
		args = append(args, "--unsafe-no-fsync")
	}
	return append(args, c.options.EtcdArgs...)
}

func (c *Cluster) apiServerArgs() []string {
	pki := c.authority.path
	args := []string{
		"--bind-address=127.0.0.1",
		"--advertise-address=127.0.0.1",
		fmt.Sprintf("--secure-port=%d", c.apiPort.Number),
		"--endpoint-reconciler-type=none", // endpoints on loopback are not valid
		"--etcd-servers=http://" + c.etcdPort.Address(),
		"--tls-cert-file=" + pki(apiServerCert),
		"--tls-private-key-file=" + pki(apiServerKey),
		"--client-ca-file=" + pki(caCert),
		"--token-auth-file=" + filepath.Join(c.dir, "tokens.csv"),
		"--enable-bootstrap-token-auth",
		"--service-account-issuer=" + issuer,
		"--service-account-key-file=" + pki(accountPublicKey),
		"--service-account-signing-key-file=" + pki(accountKey),
		"--service-cluster-ip-range=10.0.0.0/16",
		"--authorization-mode=Node,RBAC",
		"--enable-admission-plugins=NodeRestriction",
		"--allow-privileged",
		"--profiling=false",
		"--audit-policy-file=" + filepath.Join(c.dir, "audit-policy.yaml"),
		"--audit-log-path=" + c.AuditLog(),
		"--audit-log-maxsize=10240", // in MiB: a test reads one file
	}
	return append(args, c.options.APIServerArgs...)
}

func (c *Cluster) controllerManagerArgs() []string {
	pki := c.authority.path
	args := []string{
		"--kubeconfig=" + c.kubeconfigPath(controllerManagerUser),
		"--secure-port=0", // nothing asks it anything, and no port is no port to collide on
		"--leader-elect=false",
		"--controllers=*,bootstrap-signer-controller,token-cleaner-controller",
		"--use-service-account-credentials",
		"--service-account-private-key-file=" + pki(accountKey),
		"--root-ca-file=" + pki(caCert),
		"--cluster-signing-cert-file=" + pki(caCert),
		"--cluster-signing-key-file=" + pki(caKey),
		"--profiling=false",
		// It makes this directory, which is the system's by default.
		"--flex-volume-plugin-dir=" + filepath.Join(c.dir, "flexvolume"),
		"--kube-api-qps=500",
		"--kube-api-burst=1000",
		// There is no kubelet to send heartbeats; without them a node is tainted and its pods are evicted.
		"--node-monitor-grace-period=87600h",
		// Quicker than in production, so that a test need not wait for what it doesn't test.
		"--horizontal-pod-autoscaler-sync-period=2s",
		"--horizontal-pod-autoscaler-initial-readiness-delay=1s",
		"--horizontal-pod-autoscaler-downscale-stabilization=2s",
	}
	return append(args, c.options.ControllerManagerArgs...)
}
