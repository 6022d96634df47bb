// Package heartbeat watches whether the gate is really shut. The API server never asks
// admission about webhook configurations, and under the failure policy Ignore a gate
// that does not answer is open: so it is asked, every few seconds, and what is found is
// compared with what should be.
//
//   - canary.go asks each API server whether both webhooks deny, by dry runs that are
//     denied in any mode.
//   - configurations.go compares the two webhook configurations with those that the
//     policies compile to, on each beat and whenever one changes.
//   - namespaces.go looks for namespaces that got out of the gate's sight.
//   - reach.go connects to the gate itself, and says why it does not answer.
//   - verdict.go makes one state of all that: Enforcing, Auditing, Off or Failing.
//
// Leaving the state that the policies demand opens a gap: a record that says since when
// and why. Coming back ends it, and a review looks for what got through ([Heart.Review]).
// gaps.go keeps these, so that neither a restart nor a second leader loses or doubles one.
//
// The package may import api, policy, reporter/record, apimachinery, client-go and
// controller-runtime's client. What should be is told to it: it knows nothing of the
// webhook.
package heartbeat
