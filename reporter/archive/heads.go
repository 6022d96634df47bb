package archive

import (
	"context"
	"encoding/json"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// HeadsConfigMap holds the ends of the chains, in the namespace of Gitlatch, which the
// gate guards.
const HeadsConfigMap = "gitlatch-reporter"

// HeadKey is the key of a sink's head in the ConfigMap. Each sink has its own: who
// changes from one to another, and back, goes on with each where it ended.
func HeadKey(sink string) string { return "archive-head-" + sink }

// configMaps is the part of a client that Heads needs. It must read live.
type configMaps interface {
	Get(ctx context.Context, key client.ObjectKey, obj client.Object, opts ...client.GetOption) error
	Create(ctx context.Context, obj client.Object, opts ...client.CreateOption) error
	Patch(ctx context.Context, obj client.Object, patch client.Patch, opts ...client.PatchOption) error
}

// Heads keeps the end of a sink's chain where whoever edits the sink does not reach
// it.
type Heads struct {
	Client configMaps
	// Namespace of the ConfigMap.
	Namespace string
	// Sink is SinkFile, SinkStdout or postgres.Sink.
	Sink string
}

const headsOwner = client.FieldOwner("gitlatch")

// Load reads the head; the zero value is that of a chain that has not begun.
func (h *Heads) Load(ctx context.Context) (Head, error) {
	var held corev1.ConfigMap
	err := h.Client.Get(ctx, client.ObjectKey{Namespace: h.Namespace, Name: HeadsConfigMap}, &held)
	if apierrors.IsNotFound(err) {
		return Head{}, nil
	}
	if err != nil {
		return Head{}, fmt.Errorf("reading the archive's head: %w", err)
	}
	text := held.Data[HeadKey(h.Sink)]
	if text == "" {
		return Head{}, nil
	}
	head, err := ParseHead(text)
	if err != nil {
		return Head{}, fmt.Errorf("ConfigMap %s/%s, %s: %w", h.Namespace, HeadsConfigMap, HeadKey(h.Sink), err)
	}
	return head, nil
}

// Save writes the head, and nothing else of the ConfigMap.
func (h *Heads) Save(ctx context.Context, head Head) error {
	data := map[string]string{HeadKey(h.Sink): head.String()}
	body, err := json.Marshal(map[string]any{"data": data})
	if err != nil {
		return fmt.Errorf("encoding the archive's head: %w", err)
	}
	held := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: h.Namespace, Name: HeadsConfigMap}}
	patch := client.RawPatch(types.MergePatchType, body)
	err = h.Client.Patch(ctx, held, patch, headsOwner)
	if apierrors.IsNotFound(err) {
		made := &corev1.ConfigMap{ObjectMeta: held.ObjectMeta, Data: data}
		err = h.Client.Create(ctx, made, headsOwner)
	}
	if apierrors.IsAlreadyExists(err) { // another loop, which keeps other keys there, was quicker
		err = h.Client.Patch(ctx, held, patch, headsOwner)
	}
	if err != nil {
		return fmt.Errorf("writing the archive's head: %w", err)
	}
	return nil
}
