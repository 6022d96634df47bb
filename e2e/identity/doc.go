// Package identity tests on a real control plane who is believed to be whom, and what a policy's selectors and the
// conditions inside the API server let past: nobody walks around the gate by another's name, token, pod, workload, role
// or account, nor by a label, a kind or a version that comes, goes or is not there.
package identity
