package gitlatch

import "github.com/gitlatch/gitlatch/test/process"

// freePorts fills in several, each of which is ours until we stop.
func (g *Gitlatch) freePorts(ports ...*int) error {
	g.reserving.Lock()
	defer g.reserving.Unlock()
	for _, port := range ports {
		reserved, err := process.ReservePort()
		if err != nil {
			return err
		}
		*port = reserved.Number
		g.reserved = append(g.reserved, reserved)
	}
	return nil
}

func (g *Gitlatch) releasePorts() {
	g.reserving.Lock()
	defer g.reserving.Unlock()
	for _, port := range g.reserved {
		port.Release()
	}
	g.reserved = nil
}
