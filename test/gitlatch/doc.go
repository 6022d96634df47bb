// Package gitlatch installs Gitlatch on a [cluster.Cluster], for the tests, the demo and `make up`, the way a user
// does: `kubectl apply -k manifests/default`. The Deployments make their ReplicaSets, those make the Pods, and since no
// kubelet runs their image, each webhook, and the applier ([Options.Applier]), is a process here whose token is bound to
// one of those Pods. So Gitlatch's own identities are proven as in production, and the rights are those of the manifests
// and no more.
//
// The API server reaches the processes by --webhook-url, through a small proxy on loopback that takes turns among the
// replicas connection by connection. To a URL on localhost the API server speaks HTTP/2, so that all its calls are one
// connection and go to one replica; with [Options].Service it goes through a real Service and speaks HTTP/1.1, as in
// production, and every replica has its share.
//
// The sync identity of [EnforceAll] is the service account gitops/sync, pod-bound, writing under the field
// manager "sync" ([Gitlatch.Sync]).
package gitlatch
