// Package audit looks for writes that went around the gate, after the fact, from two
// witnesses, and asks the judge about each in the words in which the webhook asks about
// the present.
//
//   - [Fields] reads managedFields of every governed object: which manager, what, when.
//   - [Log] reads an API server's audit log (audit.k8s.io/v1 Events, one JSON document a
//     line), in one pass and bounded memory: who. [Backend], behind [Server], takes the
//     same live.
//   - A [Finding] that no record explains is a bypass; [Recorder] puts it on record, and
//     [Reviewer] does all of that for the time of a gap.
//
// [Reader] and [Translator] turn a log into [Attempt] values for whoever has another
// question about it. An audit event does not hold the object as it was before the write;
// the translator remembers, up to a limit of bytes, the last state of each object that
// the log showed. Where it does not know the old object it says so in [Attempt.Gaps] and
// leaves it out: a guess would turn an exact answer into a wrong one.
//
// The package may import policy, api, reporter/record, apimachinery, client-go,
// controller-runtime and the audit types of k8s.io/apiserver.
package audit
