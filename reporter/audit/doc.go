// Package audit reads the audit log of a Kubernetes API server (audit.k8s.io/v1
// Events, one JSON document a line) and turns what it tells about writes into
// [policy.Request] values, so that the judge can be asked about the past in the
// words in which the webhook asks about the present.
//
// [Reader] yields the events, in one pass and bounded memory. [Translator] makes
// [Attempt] values of them. An audit event does not hold the object as it was
// before the write; the translator remembers, up to a limit of bytes, the last
// state of each object that the log showed. Where it does not know the old
// object it says so in [Attempt.Gaps] and leaves it out: a guess would turn an
// exact answer into a wrong one.
//
// The package may import policy, api and apimachinery, and the audit types of
// k8s.io/apiserver.
package audit
