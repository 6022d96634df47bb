package heartbeat

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

const (
	// memoryName is the reporter's ConfigMap; memoryKey is ours in it.
	memoryName = "gitlatch-reporter"
	memoryKey  = "heartbeat"
	// memoryMost bounds what is kept of namespaces and policies: a ConfigMap takes a mebibyte, and
	// others keep something in this one.
	memoryMost = 512 << 10
)

// memory is what must outlive the process.
type memory struct {
	// Seen is when the gate was last seen as expected, and Expected as what.
	Seen     time.Time          `json:"seen"`
	Expected v1alpha1.GateState `json:"expected,omitempty"`
	// Demanded is what the policies demanded then, by name.
	Demanded demands `json:"demanded,omitempty"`
	// Governed are the namespaces that the policies' selectors matched then.
	Governed sights `json:"governed,omitempty"`
}

// readMemory reads what was kept. What can't be read is nothing known, as at the very
// first start.
func readMemory(text string) memory {
	var m memory
	if err := json.Unmarshal([]byte(text), &m); err != nil {
		return memory{}
	}
	return m
}

func (m memory) text() string {
	raw, err := json.Marshal(m)
	if err != nil || len(raw) > memoryMost {
		m.Governed = nil
		raw, err = json.Marshal(m)
	}
	if err != nil || len(raw) > memoryMost {
		m.Demanded = nil
		raw, _ = json.Marshal(m) // a time and a word
	}
	return string(raw)
}

func loadMemory(ctx context.Context, reader client.Reader, namespace string) (memory, error) {
	var stored corev1.ConfigMap
	err := reader.Get(ctx, client.ObjectKey{Namespace: namespace, Name: memoryName}, &stored)
	if client.IgnoreNotFound(err) != nil {
		return memory{}, fmt.Errorf("reading ConfigMap %s/%s: %w", namespace, memoryName, err)
	}
	return readMemory(stored.Data[memoryKey]), nil
}

// keep writes our key and no other.
func (m memory) keep(ctx context.Context, c client.Client, namespace string) error {
	stored := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: memoryName}}
	data := map[string]string{memoryKey: m.text()}
	patch, err := json.Marshal(map[string]any{"data": data})
	if err != nil {
		return fmt.Errorf("encoding what to keep: %w", err)
	}
	err = c.Patch(ctx, stored, client.RawPatch(types.MergePatchType, patch), owner)
	if apierrors.IsNotFound(err) {
		stored.Data = data
		err = c.Create(ctx, stored, owner)
	}
	if err != nil {
		return fmt.Errorf("writing ConfigMap %s/%s: %w", namespace, memoryName, err)
	}
	return nil
}
