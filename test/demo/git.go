package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/gitlatch/gitlatch/test/cluster"
	"github.com/gitlatch/gitlatch/test/gitlatch"
	"github.com/gitlatch/gitlatch/test/gitserver"
)

// folder of the repository that the cluster follows.
const folder = "clusters/prod/"

// policy lies in git as all else does.
const policy = `apiVersion: gitlatch.dev/v1alpha1
kind: ChangePolicy
metadata: {name: cluster}
spec:
  mode: Enforce
  match:
    excludeNamespaces: [kube-node-lease]
    excludeResources: [{apiGroups: [certificates.k8s.io], resources: ["*"]}]
  sync:
  - serviceAccount: {namespace: gitlatch-system, name: gitlatch-applier}
    fieldManagers: [gitlatch]
    podBound: true
  operations: {exec: Deny}
  breakGlass:
    allowedGroups: [oncall]
    maxDuration: 1h
    reasonPattern: '^(INC|OPS)-[0-9]+: .{10,}'
`

// reviewers says who reviews.
const reviewers = `apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: reviewers}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: gitlatch-reviewer}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: Group, name: reviewers}]
`

// files are those of the first commit: the policy, who reviews, and the shop with one object in each.
func files() map[string]string {
	all := map[string]string{folder + "policy.yaml": policy, folder + "reviewers.yaml": reviewers}
	for _, object := range strings.Split(gitlatch.Shop(), "---\n") {
		_, kind, _ := strings.Cut(object, "kind: ")
		kind, _, _ = strings.Cut(kind, "\n")
		all[folder+"shop/"+strings.ToLower(kind)+".yaml"] = object
	}
	return all
}

// gitSync makes the sync's manifest, and shows it. The remote is asked every second, since a demo has nobody to push a
// notification.
func (d *demo) gitSync() (path string, err error) {
	text := `apiVersion: gitlatch.dev/v1alpha1
kind: GitSync
metadata: {name: prod, namespace: ` + gitlatch.Namespace + `}
spec:
  url: ` + d.repo.FileURL() + `
  ref: {branch: main}
  path: ` + strings.TrimSuffix(folder, "/") + `
  interval: 1s
`
	d.out.answer(text)
	path = filepath.Join(d.dir, "gitsync.yaml")
	return path, os.WriteFile(path, []byte(text), 0o600)
}

// commit shows somebody commit these files, and push.
func (d *demo) commit(who, message string, files map[string]string) (hash string, err error) {
	d.out.command(who, []string{"git", "add", "--all", "."})
	d.out.command(who, []string{"git", "commit", "--message", message})
	if hash, err = d.repo.CommitFiles(message, files, gitserver.By(who)); err != nil {
		return "", err
	}
	return hash, d.push(who, hash)
}

// revert shows somebody undo a commit, and push.
func (d *demo) revert(who, commit string) (hash string, err error) {
	d.out.command(who, []string{"git", "revert", "--no-edit", commit[:7]})
	if hash, err = d.repo.Revert(commit, gitserver.By(who)); err != nil {
		return "", err
	}
	return hash, d.push(who, hash)
}

func (d *demo) push(who, commit string) error {
	shown, err := d.repo.Git("show", "--stat=72", "--format=%h %an: %s", commit)
	if err != nil {
		return err
	}
	d.out.answer(shown)
	d.out.command(who, []string{"git", "push"})
	return d.repo.Push()
}

// applied waits, as a person would, until the sync says that it has applied a commit.
func (d *demo) applied(ctx context.Context, commit string) error {
	began := time.Now()
	answer, err := d.kubectl(ctx, "bob", waitFor(commit)...)
	if err != nil {
		return fmt.Errorf("%s: %s", strings.TrimSpace(answer), syncSays(ctx, d.cluster))
	}
	d.out.say(fmt.Sprintf("(after %.1f s)", time.Since(began).Seconds()))
	return nil
}

func waitFor(commit string) []string {
	return []string{"-n", gitlatch.Namespace, "wait", "gitsync/prod", "--for=jsonpath={.status.lastAppliedCommit}=" + commit, "--timeout=30s"}
}

// syncSays is why a sync is not where it should be.
func syncSays(ctx context.Context, c *cluster.Cluster) string {
	stdout, stderr, _ := c.Kubectl(ctx, "admin", "", "-n", gitlatch.Namespace, "get", "gitsync/prod", "-o", "jsonpath={.status.conditions}")
	return strings.TrimSpace(stdout + stderr)
}
