// Package record writes, follows and reads ChangeRecords, the durable memory
// of every attempt to change the cluster around git.
//
//   - [Writer.Denied] and [Writer.Admitted] write a record before the answer to
//     an admission review goes out; repeats are counted, floods are folded.
//   - [Writer.Run] stores counts each second and retries what could not be
//     written. It runs on every replica.
//   - [Follower] looks whether what was admitted was stored.
//   - [Bypasses] writes what a witness told of afterwards.
//   - [List] reads records back, newest first.
//
// No value of a Secret, and none that a policy wants left out, gets past
// redact.go: everything that is stored goes through it. One attempt is one
// record although an API server asks twice per request and again on each
// conflict; name.go and attempt.go say how that is told.
//
// The package may import the API types, apimachinery, client-go,
// controller-runtime's client and structured-merge-diff, and nothing else of
// Gitlatch: the webhook and the applier both build on it.
package record
