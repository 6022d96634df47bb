// Package gitlatch installs Gitlatch on a [cluster.Cluster], for the tests, the demo and `make up`, the way a user
// does: `kubectl apply -k manifests/default`. The Deployment makes its ReplicaSet, that makes the Pods, and since no
// kubelet runs their image, each webhook is a process here whose token is bound to one of those Pods. So the gate's own
// identity is proven as in production, and the rights are those of the manifests and no more.
//
// The API server reaches the processes by --webhook-url, through a small proxy on loopback that takes turns among the
// replicas, as a Service would ([Options].Service goes through a real Service instead).
//
// The sync identity of the sample policies is the service account gitops/sync, pod-bound, writing under the field
// manager "sync" ([Gitlatch.Sync]).
package gitlatch
