package audit

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestMemoryForgetsTheLeastRecentlyUsed(t *testing.T) {
	name := func(i int) key { return key{"apps", "deployments", "prod", fmt.Sprintf("web-%d", i)} }
	one := remembered{key: name(0), raw: make([]byte, 1000)}
	m := newMemory(3 * one.cost())
	for i := range 3 {
		m.put(name(i), "v1", make([]byte, 1000))
	}
	m.get(name(0))
	m.put(name(3), "v1", make([]byte, 1000))
	m.put(name(4), "v1", make([]byte, 1<<20)) // more than the whole budget
	var kept []string
	for i := range 5 {
		if m.get(name(i)) != nil {
			kept = append(kept, name(i).name)
		}
	}
	if diff := cmp.Diff([]string{"web-0", "web-2", "web-3"}, kept); diff != "" {
		t.Errorf("kept (-want +got):\n%s", diff)
	}
	if m.used != 3*one.cost() || len(m.entries) != 3 || m.order.Len() != 3 {
		t.Errorf("%d bytes in %d entries, %d in order", m.used, len(m.entries), m.order.Len())
	}
}
