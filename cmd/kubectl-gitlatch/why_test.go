package main

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

func TestACommitsLinkIsThatOfTheHostsOwnPages(t *testing.T) {
	tests := []struct{ remote, want string }{
		{"https://github.com/acme/ops.git", "https://github.com/acme/ops/commit/3f2c1ab"},
		{"ssh://git@github.com/acme/ops.git", "https://github.com/acme/ops/commit/3f2c1ab"},
		{"ssh://git@ssh.github.com:443/acme/ops.git", "https://github.com/acme/ops/commit/3f2c1ab"},
		{"https://gitlab.example:8443/group/sub/ops", "https://gitlab.example:8443/group/sub/ops/-/commit/3f2c1ab"},
		{"ssh://git@gitlab.example:2222/group/ops.git/", "https://gitlab.example/group/ops/-/commit/3f2c1ab"},
		{"https://gitea.example/acme/ops.git", "https://gitea.example/acme/ops/commit/3f2c1ab"},
		{"https://codeberg.org/acme/ops", "https://codeberg.org/acme/ops/commit/3f2c1ab"},
		{"https://bitbucket.org/acme/ops.git", "https://bitbucket.org/acme/ops/commits/3f2c1ab"},
		{"https://git.example/ops.git", ""},
		{"file:///srv/github/ops.git", ""},
		{"https://github.com/", ""},
		{"", ""},
		{"://", ""},
	}
	for _, test := range tests {
		if got := commitLink(test.remote, "3f2c1ab"); got != test.want {
			t.Errorf("%s: %q, not %q", test.remote, got, test.want)
		}
	}
}

func FuzzCommitLink(f *testing.F) {
	for _, seed := range []string{"https://github.com/acme/ops.git", "ssh://git@gitlab.example:2222/a", "://", "https://u:p@github.com/x"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, remote string) {
		if link := commitLink(remote, "3f2c1ab"); link != "" && (!strings.HasPrefix(link, "https://") || !strings.HasSuffix(link, "3f2c1ab")) {
			t.Errorf("%q is linked as %q", remote, link)
		}
	})
}

func TestWhoElseAppliesAnObjectIsToldByItsMarks(t *testing.T) {
	deployment := schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "Deployment"}
	tests := []struct {
		name                string
		labels, annotations map[string]string
		want                string
	}{
		{"Flux", map[string]string{"kustomize.toolkit.fluxcd.io/name": "apps", "kustomize.toolkit.fluxcd.io/namespace": "flux-system"}, nil,
			"Flux Kustomization flux-system/apps"},
		{"Flux's Helm", map[string]string{"helm.toolkit.fluxcd.io/name": "web", "helm.toolkit.fluxcd.io/namespace": "prod"}, nil, "Flux HelmRelease prod/web"},
		{"Argo CD, by annotation", nil, map[string]string{"argocd.argoproj.io/tracking-id": "shop:apps/Deployment:prod/web"}, "Argo CD Application shop"},
		{"Argo CD, by label", map[string]string{"argocd.argoproj.io/instance": "shop"}, nil, "Argo CD Application shop"},
		{"nobody", map[string]string{"app": "web"}, nil, ""},
	}
	for _, test := range tests {
		found := &subject{kind: deployment, namespace: "prod", name: "web", live: &metav1.ObjectMeta{Labels: test.labels, Annotations: test.annotations}}
		if got := foreignOf(found); got != test.want {
			t.Errorf("%s: %q, not %q", test.name, got, test.want)
		}
	}
}

func TestAnAnswerForPeople(t *testing.T) {
	bob := whyPerson{Name: "bob", Email: "bob@example.com", Date: noon().Add(-48 * time.Hour)}
	answer := &whyAnswer{
		Object: whyObject{Group: "apps", Kind: "Deployment", Namespace: "prod", Name: "web"}, Sync: "gitlatch-system/prod",
		Commit: strings.Repeat("a", 40), Declared: true, File: "clusters/prod/web.yaml",
		Changes: []whyChange{
			{Commit: strings.Repeat("b", 40), Change: "Changed", Author: bob, Committer: whyPerson{Name: "alice", Email: "alice@example.com", Date: bob.Date},
				Signer: "alice@example.com", Key: "SHA256:k", Reviewers: []string{"carol@example.com"}, Subject: "scale web", Body: "For the sale.\n\nSee \x1b[31mINC-42.",
				File: "clusters/prod/web.yaml", Link: "https://github.com/acme/ops/commit/b"},
			{Commit: strings.Repeat("c", 40), Change: "Added", Author: bob, Committer: bob, Unverified: "commit ccccccc is signed by nobody known",
				Subject: "add web", File: "web.yaml", Shallow: true},
		},
	}
	want := `Object:     apps/Deployment prod/web
Sync:       gitlatch-system/prod
At:         aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa

Changed:    bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb
Author:     bob <bob@example.com>
Committer:  alice <alice@example.com>
Date:       2026-02-28T12:00:00Z, 2d ago
Signed by:  alice@example.com, SHA256:k
Reviewers:  carol@example.com
File:       clusters/prod/web.yaml
Link:       https://github.com/acme/ops/commit/b

    scale web

    For the sale.

    See [31mINC-42.

Added:      cccccccccccccccccccccccccccccccccccccccc
Note:       the clone ends here, so an earlier commit may be the one: git fetch --unshallow
Author:     bob <bob@example.com>
Date:       2026-02-28T12:00:00Z, 2d ago
Signature:  not verified: commit ccccccc is signed by nobody known
File:       web.yaml

    add web
`
	var got strings.Builder
	if err := printWhy(&got, answer, noon()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got.String()); diff != "" {
		t.Errorf("the answer (-want +got):\n%s", diff)
	}
}

func TestWhyRefusesWhatItCantAnswer(t *testing.T) {
	nobody(t)
	tests := []struct {
		args []string
		want string
	}{
		{[]string{"why", "deployment/web"}, "error: no kubeconfig: set KUBECONFIG or pass --kubeconfig\n"},
		{[]string{"why", "deployment/web", "-o", "wide"}, "error: unknown output \"wide\": use one of json, yaml\n"},
		{[]string{"why", "deployment/web", "--path", "ops"}, "error: --path needs --repo: a clone in which to look\n"},
		{[]string{"why"}, "error: accepts between 1 and 2 arg(s), received 0\n"},
	}
	for _, test := range tests {
		got := gitlatch(t.Context(), "", noon, test.args...)
		if diff := cmp.Diff(outcome{Err: test.want, Code: 2}, got); diff != "" {
			t.Errorf("%v (-want +got):\n%s", test.args, diff)
		}
	}
}
