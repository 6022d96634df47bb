// Package gitlatch installs Gitlatch on a [cluster.Cluster], for the tests, the demo and `make up`, the way a user
// does: `kubectl apply -k manifests/default`. The Deployment makes its ReplicaSet, that makes the Pods, and since no
// kubelet runs their image, each webhook is a process here whose token is bound to one of those Pods. So the gate's own
// identity is proven as in production, and the rights are those of the manifests and no more.
//
// The API server reaches the processes by --webhook-url, through a small proxy on loopback that takes turns among the
// replicas connection by connection. To a URL on localhost the API server speaks HTTP/2, so that all its calls are one
// connection and go to one replica; with [Options].Service it goes through a real Service and speaks HTTP/1.1, as in
// production, and every replica has its share.
//
// The sync identity of the sample policies is the service account gitops/sync, pod-bound, writing under the field
// manager "sync" ([Gitlatch.Sync]).
package gitlatch
