package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/test/gitlatch"
)

// kubectl shows a command and its answer, and returns the answer. The error is what the command's exit code says.
func (d *demo) kubectl(ctx context.Context, who string, args ...string) (answer string, err error) {
	d.out.command(who, append([]string{"kubectl"}, args...))
	stdout, stderr, code := d.cluster.Kubectl(ctx, who, "", args...)
	d.out.answer(stdout + stderr)
	if code != 0 {
		return stdout + stderr, fmt.Errorf("exit %d", code)
	}
	return stdout + stderr, nil
}

// denied wants a refusal by the gate that names the person: another error is not one.
func denied(answer string, err error, who string) error {
	switch {
	case err == nil:
		return fmt.Errorf("it was admitted")
	case !strings.Contains(answer, "gitlatch.dev\" denied the request"):
		return fmt.Errorf("the gate is not who refused: %s", answer)
	case !strings.Contains(answer, "you: "+who):
		return fmt.Errorf("the denial doesn't name %s", who)
	}
	return nil
}

// deniedFor wants a refusal that leads to where the change belongs: the file, the repository, and the last commit.
func (d *demo) deniedFor(answer string, err error, who, file string) error {
	if err := denied(answer, err, who); err != nil {
		return err
	}
	for _, part := range []string{folder + file, d.repo.FileURL(), d.commits["first"][:7], firstMessage} {
		if !strings.Contains(answer, part) {
			return fmt.Errorf("the denial doesn't say %q", part)
		}
	}
	return nil
}

// editor is a script that edits as alice would. Plain sh and sed, since "sed -i" differs between systems.
func (d *demo) editor() (string, error) {
	path := filepath.Join(d.dir, "bin", "alices-editor")
	script := "#!/bin/sh\nsed 's/timeout: 30s/timeout: 5s/' \"$1\" > \"$1.new\" && mv \"$1.new\" \"$1\"\n"
	return path, os.WriteFile(path, []byte(script), 0o700)
}

func (d *demo) client() (kubernetes.Interface, error) {
	return kubernetes.NewForConfig(d.cluster.Config("admin"))
}

func (d *demo) deployment(ctx context.Context) (*appsv1.Deployment, error) {
	client, err := d.client()
	if err != nil {
		return nil, err
	}
	return client.AppsV1().Deployments("shop").Get(ctx, "web", metav1.GetOptions{})
}

// podsRun waits for so many pods of the shop, does for them what the node does, and waits until the Deployment counts
// them: there is no kubelet here.
func (d *demo) podsRun(ctx context.Context, count int) error {
	return gitlatch.WaitFor(ctx, 20*time.Second, fmt.Sprintf("%d running pods", count), func(ctx context.Context) error {
		if err := d.markPods(ctx); err != nil {
			return err
		}
		deployment, err := d.deployment(ctx)
		if err != nil {
			return err
		}
		if int(deployment.Status.AvailableReplicas) != count {
			return fmt.Errorf("the Deployment counts %d", deployment.Status.AvailableReplicas)
		}
		return nil
	})
}

// markPods reports pods running as the node, and lets go of those that are being deleted.
func (d *demo) markPods(ctx context.Context) error {
	client, err := d.client()
	if err != nil {
		return err
	}
	pods, err := client.CoreV1().Pods("shop").List(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	for _, pod := range pods.Items {
		switch {
		case pod.DeletionTimestamp != nil && pod.Spec.NodeName != "":
			err = d.cluster.FinishDeletion(ctx, "shop", pod.Name)
		case pod.DeletionTimestamp == nil && pod.Status.Phase != corev1.PodRunning:
			err = d.cluster.MarkRunning(ctx, "shop", pod.Name)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// unchanged says that the shop is as git has it.
func (d *demo) unchanged(ctx context.Context) error {
	client, err := d.client()
	if err != nil {
		return err
	}
	config, err := client.CoreV1().ConfigMaps("shop").Get(ctx, "web", metav1.GetOptions{})
	if err != nil {
		return err
	}
	if _, err := client.CoreV1().Services("shop").Get(ctx, "web", metav1.GetOptions{}); err != nil {
		return err
	}
	deployment, err := d.deployment(ctx)
	if err != nil {
		return err
	}
	if timeout, replicas := config.Data["timeout"], *deployment.Spec.Replicas; timeout != "30s" || replicas != 2 || deployment.Labels["team"] != "" {
		return fmt.Errorf("timeout %s, %d replicas, label team %q", timeout, replicas, deployment.Labels["team"])
	}
	return nil
}

// asInGit says that the Deployment has as many replicas as git says, and bears no mark of an emergency.
func (d *demo) asInGit(ctx context.Context) error {
	deployment, err := d.deployment(ctx)
	if err != nil {
		return err
	}
	if reason := deployment.Annotations[v1alpha1.AnnotationBreakGlass]; *deployment.Spec.Replicas != 2 || reason != "" {
		return fmt.Errorf("%d replicas, break-glass %q", *deployment.Spec.Replicas, reason)
	}
	return nil
}

// pulledBack waits until it is as git has it again, and says how long that took.
func (d *demo) pulledBack(ctx context.Context, since time.Time, what string, ask func(context.Context) error) error {
	if err := gitlatch.WaitFor(ctx, 10*time.Second, what, ask); err != nil {
		return err
	}
	d.out.say(fmt.Sprintf("(pulled back to %s after %.1f s)", what, time.Since(since).Seconds()))
	return nil
}

// ready says that the sync is.
func (d *demo) ready(ctx context.Context) error {
	stdout, stderr, _ := d.cluster.Kubectl(ctx, "admin", "", "-n", gitlatch.Namespace, "get", "gitsync/prod",
		"-o", `jsonpath={.status.conditions[?(@.type=="Ready")].status}`)
	if stdout != "True" {
		return fmt.Errorf("it is %q: %s%s", stdout, stderr, syncSays(ctx, d.cluster))
	}
	return nil
}
