package audit

import "time"

// waiting are findings that wait for what the log says next, in its order: a record that
// seems to explain one may turn out to be of another request, made by the same person
// at about the same time, to which the gate has answered.
type waiting struct {
	findings []waitingFinding
	latest   time.Time
}

type waitingFinding struct {
	Finding
	named string // the record that the gate named
}

// hold keeps a finding back; it goes on when the log is past it, or at once where there
// are no records to explain it.
func (p *pass) hold(f Finding, named string) error {
	p.waiting.findings = append(p.waiting.findings, waitingFinding{f, named})
	if p.Known == nil {
		return p.releaseOne()
	}
	return p.release(p.waiting.latest)
}

// until notes the time of an event: what agrees with no later one goes on.
func (p *pass) until(at time.Time) error {
	if !at.After(p.waiting.latest) {
		return nil
	}
	p.waiting.latest = at
	return p.release(at)
}

// release tells of the findings that no request of now, or of later, can claim a
// record from: records and requests agree to some seconds, and so do the lines of a log.
func (p *pass) release(now time.Time) error {
	for len(p.waiting.findings) > 0 && now.Sub(p.waiting.findings[0].At) > 2*agreeing {
		if err := p.releaseOne(); err != nil {
			return err
		}
	}
	return nil
}

func (p *pass) releaseAll() error {
	for len(p.waiting.findings) > 0 {
		if err := p.releaseOne(); err != nil {
			return err
		}
	}
	return nil
}

func (p *pass) releaseOne() error {
	f := p.waiting.findings[0]
	p.waiting.findings = p.waiting.findings[1:]
	p.Known.explain(&f.Finding, f.named)
	if f.Explained() {
		p.stats.Explained++
	} else {
		p.stats.Findings++
	}
	return p.found(f.Finding)
}
