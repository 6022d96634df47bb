package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/gitlatch/gitlatch/test/gitlatch"
)

// play is the demo, act by act. An error ends it: what was seen otherwise than expected is none, it goes to the table.
func (d *demo) play(ctx context.Context) error {
	for _, act := range []func(context.Context) error{
		d.gitSyncs,
		d.alicesAfternoon,
		d.pipelineToo,
		d.emergency,
		d.whatIsOnRecord,
		d.gitGoesOn,
	} {
		if err := act(ctx); err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	return nil
}

// gitSyncs: the application arrives the only way it may, and the controllers do their work on it.
func (d *demo) gitSyncs(ctx context.Context) error {
	d.out.title("Git syncs an application: the sync identity applies what was committed")
	file := filepath.Join(d.dir, "shop.yaml")
	if err := os.WriteFile(file, []byte(gitlatch.Shop()), 0o600); err != nil {
		return err
	}
	_, err := d.kubectl(ctx, "sync", "apply", "--server-side", "--field-manager=sync", "-f", file)
	d.saw("the sync identity applies the shop", err)
	err = d.podsRun(ctx, 2)
	d.saw("the controllers make its ReplicaSet, pods and endpoints", err)
	_, err = d.kubectl(ctx, "alice", "-n", "shop", "get", "deployments,pods,endpointslices")
	d.saw("alice reads as ever", err)
	return nil
}

// alicesAfternoon: what people do at two in the afternoon.
func (d *demo) alicesAfternoon(ctx context.Context) error {
	d.out.title("2 PM: alice, a cluster administrator, fixes production by hand")
	editor, err := d.editor()
	if err != nil {
		return err
	}
	// What kubectl edit leaves for another try goes away with the rest.
	if err := errors.Join(os.Setenv("KUBE_EDITOR", editor), os.Setenv("TMPDIR", d.dir)); err != nil {
		return err
	}
	d.out.say("(her editor changes the timeout from 30s to 5s)")
	for _, attempt := range []struct {
		what string
		args []string
	}{
		{"edit", []string{"-n", "shop", "edit", "configmap/web"}},
		{"scale", []string{"-n", "shop", "scale", "deployment/web", "--replicas=5"}},
		{"label", []string{"-n", "shop", "label", "deployment/web", "team=blue"}},
		{"delete", []string{"-n", "shop", "delete", "service/web"}},
		{"exec", []string{"-n", "shop", "exec", "deployment/web", "--", "sh"}},
	} {
		answer, err := d.kubectl(ctx, "alice", attempt.args...)
		d.saw("alice's "+attempt.what+" is denied, by name", denied(answer, err, "alice"))
	}
	err = d.unchanged(ctx)
	d.saw("and nothing of it happened", err)
	return nil
}

// pipelineToo: a service account's name alone is no proof.
func (d *demo) pipelineToo(ctx context.Context) error {
	d.out.title("A pipeline outside the cluster, with a cluster administrator's token, is no better")
	answer, err := d.kubectl(ctx, "pipeline", "-n", "shop", "set", "image", "deployment/web", "web=registry.example/shop/web:hotfix")
	d.saw("the pipeline's set image is denied, by name", denied(answer, err, "system:serviceaccount:ci:pipeline"))
	answer, err = d.kubectl(ctx, "alice", "-n", "shop", "--as=system:serviceaccount:gitops:sync", "delete", "deployment/web")
	d.saw("alice, posing as the sync identity, is denied", denied(answer, err, "system:serviceaccount:gitops:sync"))
	return nil
}

// emergency: an exception that is authorised, reasoned, timed and recorded.
func (d *demo) emergency(ctx context.Context) error {
	d.out.title("3 AM: an emergency. oncall breaks glass, for one Deployment and half an hour")
	scale := []string{"-n", "shop", "scale", "deployment/web", "--replicas=4"}
	answer, err := d.kubectl(ctx, "oncall", scale...)
	d.saw("oncall without a window is denied too", denied(answer, err, "oncall"))

	_, err = d.kubectl(ctx, "oncall", "gitlatch", "break-glass", "deployment/web", "-n", "shop",
		"--reason", "INC-42: orders pile up, more replicas now", "--for", "30m")
	d.saw("oncall breaks glass", err)
	_, err = d.kubectl(ctx, "oncall", scale...)
	d.saw("inside the window, oncall scales to 4", errors.Join(err, d.podsRun(ctx, 4)))
	answer, err = d.kubectl(ctx, "bob", "-n", "shop", "scale", "deployment/web", "--replicas=9")
	d.saw("oncall's window lets nobody else in", denied(answer, err, "bob"))

	_, err = d.kubectl(ctx, "oncall", "gitlatch", "break-glass", "deployment/web", "-n", "shop", "--end")
	d.saw("oncall ends it", err)
	answer, err = d.kubectl(ctx, "oncall", "-n", "shop", "scale", "deployment/web", "--replicas=6")
	d.saw("after it, oncall is denied again", denied(answer, err, "oncall"))
	return nil
}

// gitGoesOn: none of this stood in git's way.
func (d *demo) gitGoesOn(ctx context.Context) error {
	d.out.title("Git goes on: the next commit raises the version, and takes the emergency back")
	next := strings.Replace(gitlatch.Shop(), "web:1.4.2", "web:1.5.0", 1)
	file := filepath.Join(d.dir, "shop.yaml")
	if err := os.WriteFile(file, []byte(next), 0o600); err != nil {
		return err
	}
	_, err := d.kubectl(ctx, "sync", "apply", "--server-side", "--force-conflicts", "--field-manager=sync", "-f", file)
	d.saw("the sync identity is unhindered", err)
	d.saw("the controllers roll the new version out, with 2 replicas", d.rolledOut(ctx, "web:1.5.0", 2))
	if _, err := d.kubectl(ctx, "alice", "-n", "shop", "get", "deployments,replicasets"); err != nil {
		return fmt.Errorf("showing the shop: %w", err)
	}
	return nil
}
