//go:build tools

// Package oldest names the commands of a Kubernetes control plane, so that go.mod pins them.
// Nothing imports it: test/cluster builds the commands by their paths.
package oldest

import (
	_ "go.etcd.io/etcd/server/v3"
	_ "k8s.io/kubernetes/cmd/kube-apiserver"
	_ "k8s.io/kubernetes/cmd/kube-controller-manager"
	_ "k8s.io/kubernetes/cmd/kubectl"
)
