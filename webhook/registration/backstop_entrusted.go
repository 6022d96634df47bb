package registration

import (
	"github.com/gitlatch/gitlatch/policy"
)

// entrusted: some policy trusts the requester with this kind, whole, so that it keeps the
// bindings and tokens of trusted identities (docs/decisions/0031). Of which policy they are
// is the webhook's to judge: here it is let through with all of them.
func (b *backstop) entrusted(policies []*policy.Policy) string {
	var of []string
	for _, p := range policies {
		var terms []string
		for i := range p.Spec.Trusted {
			if t := &p.Spec.Trusted[i]; len(t.Fields) == 0 {
				terms = append(terms, allOf(b.anyRule(t.Resources), isSubject(&t.Subject)))
			}
		}
		of = append(of, b.union(b.of("entrusted", p), terms))
	}
	return b.union("entrusted", of)
}
