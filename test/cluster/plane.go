package cluster

import (
	"context"
	"fmt"
)

// StopAll stops the whole plane, as a power cut of a cluster with one control-plane node does. Data, keys, people and
// ports stay for [Cluster.StartAll].
func (c *Cluster) StopAll() {
	for _, server := range []Server{ControllerManager, APIServer, Etcd} {
		c.StopServer(server)
	}
}

// StartAll starts the plane that [Cluster.StopAll] stopped, each server once the one that it needs serves.
func (c *Cluster) StartAll(ctx context.Context) error {
	for _, server := range []Server{Etcd, APIServer, ControllerManager} {
		if err := c.StartServer(ctx, server); err != nil {
			return err
		}
	}
	return nil
}

// Schedule binds a pod to the node as the scheduler, unless it is bound. [Cluster.MarkRunning] does it as well; apart it
// is for what a kubelet does before its pod is ready.
func (c *Cluster) Schedule(ctx context.Context, namespace, name string) error {
	if err := c.schedule(ctx, namespace, name); err != nil {
		return fmt.Errorf("binding pod %s/%s to the node: %w", namespace, name, err)
	}
	return nil
}
