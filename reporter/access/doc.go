// Package access tells who can still go around git: which subjects RBAC lets write
// what the policies govern, pose as somebody whom the gate lets through, reach the
// gate itself, or break glass; through which binding, and what to bind instead.
//
//   - [Read] reads roles, bindings, policies, namespaces and what the API server serves.
//   - [Find] judges them. It is pure.
//
// Matching rules is RBAC's own (kubernetes: pkg/apis/rbac/v1/evaluation_helpers.go and
// pkg/registry/rbac/validation/rule.go); whether the gate would stop the act is asked
// of policy.Decide, so that the answer is the gate's. What RBAC does not say, such as
// who is in a group or what another authorizer allows, is said in [Report.Notes].
//
// The package may import policy, api, apimachinery, the RBAC and discovery types of
// client-go and controller-runtime's client.
package access
