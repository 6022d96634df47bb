package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gitlatch/gitlatch/test/gitlatch"
	"github.com/gitlatch/gitlatch/test/gitserver"
)

// firstMessage is that of the first commit.
const firstMessage = "The shop, and the policy that guards it"

// play is the demo, act by act. An error ends it: what was seen otherwise than expected is none, it goes to the table.
func (d *demo) play(ctx context.Context) error {
	for _, act := range []func(context.Context) error{
		d.gitSyncs,
		d.alicesAfternoon,
		d.whoIsTold,
		d.pipelineToo,
		d.emergency,
		d.secondPerson,
		d.gateIsDown,
		d.whatIsOnRecord,
		d.gitGoesOn,
		d.rollback,
		d.why,
		d.howItStands,
		d.recreated,
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
func (d *demo) gitSyncs(ctx context.Context) (err error) {
	d.out.title("Git syncs an application: a real repository, and its first commit")
	if d.repo, err = gitserver.NewRepo(filepath.Join(d.dir, "ops")); err != nil {
		return err
	}
	if d.commits["first"], err = d.commit("alice", firstMessage, files()); err != nil {
		return err
	}
	d.out.say("")
	d.out.say("what is told to follow it is the last thing that is made by hand:")
	path, err := d.gitSync()
	if err != nil {
		return err
	}
	if _, err := d.kubectl(ctx, "admin", "apply", "-f", path); err != nil {
		return err
	}
	d.saw("the applier syncs the first commit", d.applied(ctx, d.commits["first"]))
	_, err = d.kubectl(ctx, "alice", "-n", gitlatch.Namespace, "get", "gitsync/prod")
	d.saw("its GitSync says so, and is Ready", errors.Join(err, d.ready(ctx)))
	d.saw("the policy that came with it is in force", d.gitlatch.WaitPolicy(ctx, "cluster"))
	d.saw("the controllers make its ReplicaSet, pods and endpoints", d.podsRun(ctx, 2))
	_, err = d.kubectl(ctx, "alice", "-n", "shop", "get", "deployments,pods,endpointslices")
	d.saw("alice reads as ever", err)
	d.standBy(ctx)
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
	answer, err := d.kubectl(ctx, "alice", "-n", "shop", "edit", "configmap/web")
	d.saw("alice's edit is denied, by name", denied(answer, err, "alice"))
	d.saw("and the denial names the file, the repository and the last commit", d.deniedFor(answer, err, "alice", "shop/configmap.yaml"))
	for _, attempt := range []struct {
		what string
		args []string
	}{
		{"scale", []string{"-n", "shop", "scale", "deployment/web", "--replicas=5"}},
		{"label", []string{"-n", "shop", "label", "deployment/web", "team=blue"}},
		{"delete", []string{"-n", "shop", "delete", "service/web"}},
		{"exec", []string{"-n", "shop", "exec", "deployment/web", "--", "sh"}},
	} {
		answer, err := d.kubectl(ctx, "alice", attempt.args...)
		d.saw("alice's "+attempt.what+" is denied, by name", denied(answer, err, "alice"))
	}
	d.saw("and nothing of it happened", d.unchanged(ctx))
	return nil
}

// pipelineToo: a service account's name alone is no proof.
func (d *demo) pipelineToo(ctx context.Context) error {
	d.out.title("A pipeline outside the cluster, with a cluster administrator's token, is no better")
	answer, err := d.kubectl(ctx, "pipeline", "-n", "shop", "set", "image", "deployment/web", "web=registry.example/shop/web:hotfix")
	d.saw("the pipeline's set image is denied, by name", denied(answer, err, "system:serviceaccount:ci:pipeline"))
	const applier = "system:serviceaccount:" + gitlatch.Namespace + ":" + gitlatch.ApplierAccount
	answer, err = d.kubectl(ctx, "alice", "-n", "shop", "--as="+applier, "delete", "deployment/web")
	d.saw("alice, posing as the applier, is denied", denied(answer, err, applier))
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
	d.saw("the applier pulls back what was done in it", d.pulledBack(ctx, time.Now(), "2 replicas", d.asInGit))
	answer, err = d.kubectl(ctx, "oncall", scale...)
	d.saw("after it, oncall is denied again", denied(answer, err, "oncall"))
	return nil
}

// gitGoesOn: none of this stood in git's way.
func (d *demo) gitGoesOn(ctx context.Context) (err error) {
	d.out.title("Git goes on: the next commit raises the version, and brings something new")
	if d.before, err = carried(ctx, d.cluster); err != nil {
		return err
	}
	next := files()
	next[folder+"shop/deployment.yaml"] = strings.Replace(next[folder+"shop/deployment.yaml"], "web:1.4.2", "web:1.5.0", 1)
	next[folder+"shop/banner.yaml"] = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: banner, namespace: shop}\ndata: {text: 20% off}\n"
	if d.commits["next"], err = d.commit("carol", "web 1.5.0, with a banner", next); err != nil {
		return err
	}
	d.saw("the applier syncs it, unhindered", d.applied(ctx, d.commits["next"]))
	d.saw("the controllers roll the new version out, with 2 replicas", d.rolledOut(ctx, "web:1.5.0", 2))
	if _, err := d.kubectl(ctx, "alice", "-n", "shop", "get", "deployments,replicasets,configmaps"); err != nil {
		return fmt.Errorf("showing the shop: %w", err)
	}
	return nil
}

// rollback: what git says is what there is, and what it said before as well.
func (d *demo) rollback(ctx context.Context) error {
	d.out.title("1.5.0 is no good. The way back is git's own")
	reverted, err := d.revert("bob", d.commits["next"])
	if err != nil {
		return err
	}
	d.saw("the applier syncs the revert", d.applied(ctx, reverted))
	answer, err := d.kubectl(ctx, "bob", "-n", "shop", "get", "configmap/banner")
	if err == nil || !strings.Contains(answer, "NotFound") {
		err = fmt.Errorf("it is there: %s", answer)
	} else {
		err = nil
	}
	d.saw("what the commit brought is gone", err)
	after, err := carried(ctx, d.cluster)
	if err != nil {
		return err
	}
	if diff := cmp.Diff(d.before, after); diff != "" {
		err = fmt.Errorf("(-before +after):\n%s", diff)
	}
	d.saw("all else is as it was before, field by field", err)
	d.saw("the controllers roll back, with 2 replicas", d.rolledOut(ctx, "web:1.4.2", 2))
	return nil
}

// why: who, what, when and why are answered by git.
func (d *demo) why(ctx context.Context) error {
	d.out.title("Why is it as it is? Git knows")
	head, err := d.repo.Head()
	if err != nil {
		return err
	}
	answer, err := d.kubectl(ctx, "bob", "gitlatch", "why", "deployment/web", "-n", "shop", "--history", "--repo", d.repo.Dir)
	for _, part := range []string{head[:7], d.commits["next"][:7], d.commits["first"][:7], "bob", "carol", "web 1.5.0, with a banner"} {
		if err == nil && !strings.Contains(answer, part) {
			err = fmt.Errorf("the answer doesn't say %q", part)
		}
	}
	d.saw("why names the three commits that made the Deployment what it is", err)
	return nil
}
