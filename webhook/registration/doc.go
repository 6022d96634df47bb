// Package registration tells the API server what to ask the gate about, and
// sees to it that it goes on being told.
//
// [Compile] is pure: it turns the policies into the two webhook configurations.
// Their CEL conditions leave out, inside the API server, whoever the judge would
// let through under every policy anyway, so that most writes cost no call and a
// cluster that starts cold needs none. What they leave out, policy.Decide allows:
// a property test holds the two together.
//
// [Reconciler] keeps the configurations as compiled: it follows the policies,
// restores what is changed or deleted, and stands down while the off switch is
// set. It runs on the leader.
//
// The package may import api, policy, apimachinery and controller-runtime. It
// never imports the API server's libraries; its tests do.
package registration
