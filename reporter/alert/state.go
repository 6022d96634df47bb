package alert

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// memory keeps in a ConfigMap since when there has been each receiver: one that is added
// later is not told of all that was before, and one that was down while we restarted
// misses nothing. Other loops keep other keys in the same ConfigMap.
type memory struct {
	client client.Client
	name   types.NamespacedName
}

// memoryKey is before the receiver's name.
const memoryKey = "notifications.since."

// since is when a receiver was first seen; now, if it never was.
func (m *memory) since(ctx context.Context, receiver string, now time.Time) (time.Time, error) {
	stored, err := m.read(ctx)
	if err != nil {
		return time.Time{}, err
	}
	if at, ok := rememberedAt(stored, receiver, now); ok {
		return at, nil
	}
	now = now.UTC().Truncate(time.Second)
	return now, m.write(ctx, map[string]any{memoryKey + receiver: now.Format(time.RFC3339)})
}

// rememberedAt reads what is stored of a receiver. What is no time is not known, nor is one
// that is still to come: until then the receiver would be told of nothing.
func rememberedAt(stored map[string]string, receiver string, now time.Time) (time.Time, bool) {
	at, err := time.Parse(time.RFC3339, stored[memoryKey+receiver])
	return at, err == nil && !at.After(now)
}

// known lists the receivers that are remembered.
func (m *memory) known(ctx context.Context) ([]string, error) {
	stored, err := m.read(ctx)
	return remembered(stored), err
}

func remembered(stored map[string]string) []string {
	var names []string
	for key := range stored {
		if receiver, ours := strings.CutPrefix(key, memoryKey); ours {
			names = append(names, receiver)
		}
	}
	slices.Sort(names)
	return names
}

// forget drops the receivers that are not among these.
func (m *memory) forget(ctx context.Context, configured []string) error {
	known, err := m.known(ctx)
	if err != nil {
		return err
	}
	gone := map[string]any{}
	for _, receiver := range known {
		if !slices.Contains(configured, receiver) {
			gone[memoryKey+receiver] = nil
		}
	}
	if len(gone) == 0 {
		return nil
	}
	return m.write(ctx, gone)
}

func (m *memory) read(ctx context.Context) (map[string]string, error) {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	stored := &corev1.ConfigMap{}
	err := m.client.Get(ctx, m.name, stored)
	if apierrors.IsNotFound(err) {
		made := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: m.name.Namespace, Name: m.name.Name}}
		if err = m.client.Create(ctx, made, client.FieldOwner("gitlatch")); apierrors.IsAlreadyExists(err) {
			err = m.client.Get(ctx, m.name, stored)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("reading ConfigMap %s: %w", m.name, err)
	}
	return stored.Data, nil
}

func (m *memory) write(ctx context.Context, data map[string]any) error {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	patch, err := json.Marshal(map[string]any{"data": data})
	if err != nil {
		return fmt.Errorf("encoding what ConfigMap %s is to hold: %w", m.name, err)
	}
	stored := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: m.name.Namespace, Name: m.name.Name}}
	if err := m.client.Patch(ctx, stored, client.RawPatch(types.MergePatchType, patch), client.FieldOwner("gitlatch")); err != nil {
		return fmt.Errorf("writing ConfigMap %s: %w", m.name, err)
	}
	return nil
}
