package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/test/gitlatch"
)

// scenario is one kind of write.
type scenario struct {
	name     string
	unasked  bool // the webhook must receive no call
	denied   bool // by Gitlatch, where it is there
	perRound int

	// writer makes the writes of one world; they are numbered.
	writer func(context.Context, *world) (patch, error)
}

type patch func(ctx context.Context, i int) error

// scenarios come in the order of measuring: what Gitlatch does after an admitted write, a look after 2 s and another
// after 30, would burden those that it is not asked about.
func scenarios() []scenario {
	return []scenario{
		{name: "sync, declared object", unasked: true, perRound: 60, writer: configMap(gitlatch.SyncLogin, enforced, "target-0")},
		{name: "controller, undeclared object", unasked: true, perRound: 60, writer: configMap(operator, enforced, "undeclared")},
		{name: "system: kube-controller-manager", unasked: true, perRound: 60, writer: configMap(controller, enforced, "target-1")},
		{name: "system: node, pod status", unasked: true, perRound: 60, writer: podStatus},
		{name: "controller, declared object", perRound: 60, writer: configMap(operator, enforced, "target-2")},
		{name: "person, denied, repeated", denied: true, perRound: 60, writer: configMap("alice", enforced, "target-3")},
		{name: "person, denied, first of a kind", denied: true, perRound: 40, writer: many},
		{name: "person, flagged", perRound: 60, writer: configMap("alice", audited, "target-4")},
	}
}

// check says what is wrong with the answer to a write; without Gitlatch all of them go through.
func (s *scenario) check(w *world, err error) error {
	if w.gate == nil || !s.denied {
		return err
	}
	if err == nil {
		return errors.New("it went through")
	}
	if !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), v1alpha1.GateName) {
		return err
	}
	return nil
}

func configMap(user, namespace, name string) func(context.Context, *world) (patch, error) {
	return func(_ context.Context, w *world) (patch, error) {
		c, err := w.client(user)
		if err != nil {
			return nil, err
		}
		manager := "bench"
		if user == gitlatch.SyncLogin {
			manager = gitlatch.SyncFieldManager
		}
		return func(ctx context.Context, i int) error {
			return patchConfigMap(ctx, c, namespace, name, manager, i)
		}, nil
	}
}

// patchConfigMap changes a key that git did not declare, so that a controller may.
func patchConfigMap(ctx context.Context, c kubernetes.Interface, namespace, name, manager string, i int) error {
	body := fmt.Appendf(nil, `{"data":{"written":"%d"}}`, i)
	_, err := c.CoreV1().ConfigMaps(namespace).Patch(ctx, name, types.MergePatchType, body, metav1.PatchOptions{FieldManager: manager})
	return err
}

func podStatus(_ context.Context, w *world) (patch, error) {
	c, err := w.client(node)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, i int) error {
		body := fmt.Appendf(nil, `{"status":{"message":"beat %d"}}`, i)
		_, err := c.CoreV1().Pods("operators").Patch(ctx, "web-operator-0", types.MergePatchType, body, metav1.PatchOptions{}, "status")
		return err
	}, nil
}

// crowd is how many people make the firsts: the records of one person are limited to thirty new targets a minute.
const crowd = 10

// many is a crowd, each of whom writes to one target after the other, and to none twice.
func many(ctx context.Context, w *world) (patch, error) {
	var clients []kubernetes.Interface
	for i := range crowd {
		config, err := w.plane.Certificate(fmt.Sprintf("person-%d", i), "devs")
		if err != nil {
			return nil, err
		}
		c, err := unlimited(config)
		if err != nil {
			return nil, err
		}
		// Connects, so that no write has to.
		if _, err := c.CoreV1().ConfigMaps(enforced).Get(ctx, target(0), metav1.GetOptions{}); err != nil {
			return nil, err
		}
		clients = append(clients, c)
	}
	return func(ctx context.Context, i int) error {
		return patchConfigMap(ctx, clients[i%crowd], enforced, target(i/crowd), "bench", i)
	}, nil
}
