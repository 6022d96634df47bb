// Package cluster starts a real Kubernetes control plane for the tests and the demo: etcd, the API server and the
// controller manager, as processes on loopback, with people and service accounts whose identities are proven the way
// they are in production. What Gitlatch decides depends on uid, groups and extra, so an imitation would prove nothing.
//
// # Binaries
//
// [Binaries] finds them in KUBEBUILDER_ASSETS (when it holds kube-apiserver, kube-controller-manager, etcd and
// kubectl), else in the user's cache directory, else it builds them from the nested module test/controlplane: about
// ten minutes on two cores the first time, nothing after that. `go run ./test/cluster/binaries` does it ahead of a
// test, whose own time limit a first build would exceed.
//
// Another minor is another nested module below it: test/controlplane/v1.35 has the oldest that is supported, and
// [VersionVariable] (GITLATCH_TEST_KUBERNETES=1.35) has [Binaries] return it. To make one, put the versions that
// k8s.io/kubernetes v1.35.x names into its go.mod (`k8s.io/kubernetes v1.35.x`, every replace to v0.35.x, the etcd server
// that it was tested with) and run `go mod tidy` there. The version is part of the cache key, so versions stand side by
// side. Or point KUBEBUILDER_ASSETS at released binaries.
//
// # What is there, and what is not
//
// [Start] gives RBAC and Node authorization, NodeRestriction, an audit log, all controllers with their own service
// accounts, named people ([Cluster.Config]) and one node object. There is no kubelet and no scheduler: pods stay
// Pending, and what those two would do is done by name, with their real credentials: [Cluster.MarkRunning],
// [Cluster.MarkSucceeded], [Cluster.FinishDeletion], and the tokens of [Cluster.ServiceAccount].
//
// The package may import client-go, test/process and the standard library, and nothing else of Gitlatch: it is what
// Gitlatch is tested by.
package cluster
