package heartbeat

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

func TestWhatOutlivesTheProcess(t *testing.T) {
	m := memory{Seen: noon, Expected: v1alpha1.GateEnforcing, Governed: sights{"p": {Selector: "s", Namespaces: map[string]string{"shop": "1"}}}}
	if diff := cmp.Diff(m, readMemory(m.text())); diff != "" {
		t.Errorf("(-kept +read):\n%s", diff)
	}
}

// TestMoreNamespacesThanFit: the time is kept whatever else is too long.
func TestMoreNamespacesThanFit(t *testing.T) {
	m := memory{Seen: noon, Expected: v1alpha1.GateAuditing, Governed: sights{"p": {Namespaces: map[string]string{}}}}
	for i := range 20_000 {
		m.Governed["p"].Namespaces[fmt.Sprintf("namespace-%d", i)] = "01234567-89ab-cdef-0123-456789abcdef"
	}
	if diff := cmp.Diff(memory{Seen: noon, Expected: v1alpha1.GateAuditing}, readMemory(m.text())); diff != "" {
		t.Errorf("(-want +read):\n%s", diff)
	}
}

// FuzzMemory: whatever is in the ConfigMap, it is read, and what was read is kept as it was.
func FuzzMemory(f *testing.F) {
	f.Add(memory{Seen: noon, Expected: v1alpha1.GateOff}.text())
	f.Add(`{"seen":"yesterday"}`)
	f.Add(`{"seen":"0001-01-01T00:00:00Z","governed":{"p":null}}`)
	f.Fuzz(func(t *testing.T, text string) {
		m := readMemory(text)
		if again := readMemory(m.text()).text(); again != m.text() {
			t.Errorf("%q became %q", m.text(), again)
		}
	})
}
