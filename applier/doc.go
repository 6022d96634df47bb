// Package applier carries commits to the cluster and keeps what they declare there.
//
// A GitSync is a run of steps, each a method on a value (steps.go): fetch, verify,
// render, depend, prepare, take stock, apply, prune, conclude, look at health. A
// step that fails ends the run; what was applied before it stays, and stays guarded.
// Between runs a keeper watches what is declared and pulls it back when somebody
// else writes it (keep.go). Out-of-band records of an object end here: reverted, or
// caught up by a commit.
//
// It may import applier/git, applier/desired, applier/live, reporter/record, the
// judge's types and the API. It never imports the webhook.
package applier
