package registration

import (
	"github.com/gitlatch/gitlatch/policy"
)

// entrusted: some policy trusts the requester with this kind, whole, so that it keeps the
// bindings and tokens of trusted identities (docs/decisions/0031). Whose they are is the
// webhook's to judge: here it is let through with all of them.
func (b *backstop) entrusted(policies []*policy.Policy) string {
	var terms []string
	for _, p := range policies {
		for i := range p.Spec.Trusted {
			if t := &p.Spec.Trusted[i]; len(t.Fields) == 0 {
				terms = append(terms, allOf(anyRule(t.Resources), isSubject(&t.Subject)))
			}
		}
	}
	return anyOf(terms...)
}
