package heartbeat

import (
	"context"
	"time"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"
	logf "sigs.k8s.io/controller-runtime/pkg/log"
)

// rewatch is how soon a watch that broke is begun again.
const (
	rewatchFirst = time.Second
	rewatchMost  = 30 * time.Second
)

// watchConfigurations tells of each change of either configuration until ctx ends: a
// running gate restores them within a second, which no beat would see.
func (h *Heart) watchConfigurations(ctx context.Context, tell chan<- changed) {
	for _, list := range []client.ObjectList{
		&admissionv1.MutatingWebhookConfigurationList{}, &admissionv1.ValidatingWebhookConfigurationList{},
	} {
		go func() {
			pause := rewatchFirst
			for ctx.Err() == nil {
				began := time.Now()
				if err := h.watchOnce(ctx, list, tell); err != nil {
					logf.FromContext(ctx).V(1).Info("watching a webhook configuration again", "because", err.Error())
				}
				if pause = min(2*pause, rewatchMost); time.Since(began) > rewatchMost {
					pause = rewatchFirst
				}
				select {
				case <-ctx.Done():
				case <-time.After(pause):
				}
			}
		}()
	}
}

func (h *Heart) watchOnce(ctx context.Context, list client.ObjectList, tell chan<- changed) error {
	w, err := h.Client.Watch(ctx, list, client.MatchingFields{"metadata.name": configurationName})
	if err != nil {
		return err
	}
	defer w.Stop()
	for event := range w.ResultChan() {
		o, ok := event.Object.(client.Object)
		if !ok {
			return nil // an error of the watch: it is begun again
		}
		select {
		case tell <- changed{object: o, gone: event.Type == watch.Deleted}:
		case <-ctx.Done():
			return nil
		}
	}
	return nil
}
