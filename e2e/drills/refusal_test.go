package drills

import (
	"strings"
	"testing"
)

// refusedByGate: the API server's answer is a refusal by a webhook of Gitlatch, or for want of an answer of one, or by the
// backstop, which has no webhook's name in it.
func refusedByGate(message string) bool {
	if strings.Contains(message, "ValidatingAdmissionPolicy 'gitlatch' ") {
		return true
	}
	return strings.Contains(message, "gitlatch.dev") && (strings.Contains(message, "denied") || strings.Contains(message, "failed calling webhook"))
}

func TestWhoRefusedIsReadFromTheAnswer(t *testing.T) {
	for message, want := range map[string]bool{
		`admission webhook "gate.gitlatch.dev" denied the request: OutOfBand: apps/Deployment prod/web is changed through git only.`:                               true,
		`admission webhook "builtin.final.gitlatch.dev" denied the request: BuiltIn: …`:                                                                            true,
		`Internal error occurred: failed calling webhook "gate.gitlatch.dev": failed to call webhook: Post "https://…": connect: connection refused`:               true,
		`pods "web-1" is forbidden: ValidatingAdmissionPolicy 'gitlatch' with binding 'gitlatch' denied request: OutOfBand: this is changed through git only`:      true,
		`pods "web-1" is forbidden: ValidatingAdmissionPolicy 'gitlatch' with binding 'gitlatch' denied request: expression '…' resulted in error: no such key`:    true,
		`pods "web-1" is forbidden: ValidatingAdmissionPolicy 'gitlatch' denied request: failed to configure policy: no such kind`:                                 true,
		`pods "web-1" is forbidden: ValidatingAdmissionPolicy 'somebodys' with binding 'gitlatch' denied request: no`:                                              false,
		`admission webhook "vault.example.com" denied the request: no`:                                                                                             false,
		`Operation cannot be fulfilled on changerecords.gitlatch.dev "cr-1": the object has been modified; please apply your changes to the latest version`:        false,
		`pods "web-1" is forbidden: exceeded quota: small, requested: pods=1, used: pods=1, limited: pods=1`:                                                       false,
		`deployments.apps "gitlatch-webhook" is forbidden: User "system:node:gitlatch-node" cannot update resource "deployments" in API group "apps" in "default"`: false,
	} {
		if got := refusedByGate(message); got != want {
			t.Errorf("%s: %t, want %t", message, got, want)
		}
	}
}
