package heartbeat

import (
	"sync"

	"github.com/gitlatch/gitlatch/policy"
)

// pastMost bounds how many gaps' policies are kept: the policies are shared, and a gap
// that is one too many is reviewed by those of now.
const pastMost = 256

// past are the policies that were in force before each gap, by its record's name, until
// the gap's review is complete. The next life of this process does not know them.
type past struct {
	mu    sync.Mutex
	known map[string][]*policy.Policy
}

func (p *past) keep(gap string, policies []*policy.Policy) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.known == nil {
		p.known = map[string][]*policy.Policy{}
	}
	if len(policies) > 0 && len(p.known) < pastMost {
		p.known[gap] = policies
	}
}

// of are the policies before any of the gaps, each once.
func (p *past) of(gaps []string) []*policy.Policy {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []*policy.Policy
	seen := map[*policy.Policy]bool{}
	for _, gap := range gaps {
		for _, one := range p.known[gap] {
			if !seen[one] {
				seen[one], out = true, append(out, one)
			}
		}
	}
	return out
}

func (p *past) forget(gap string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.known, gap)
}
