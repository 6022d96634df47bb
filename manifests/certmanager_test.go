package manifests_test

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"testing"

	certmanagerv1 "github.com/cert-manager/cert-manager/pkg/apis/certmanager/v1"
	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/api/resmap"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"
)

// overlay is manifests/cert-manager as kustomize builds it.
func overlay(t *testing.T) resmap.ResMap {
	t.Helper()
	built, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), "cert-manager")
	if err != nil {
		t.Fatal(err)
	}
	return built
}

// strictly decodes the object of this kind and name: a field that the type does not know is an error.
func strictly[T any](t *testing.T, all resmap.ResMap, kind, name string) T {
	t.Helper()
	var out T
	found := 0
	for _, r := range all.Resources() {
		if r.GetKind() != kind || r.GetName() != name {
			continue
		}
		found++
		if err := yaml.UnmarshalStrict([]byte(r.MustYaml()), &out); err != nil {
			t.Fatalf("%s %s: %v", kind, name, err)
		}
	}
	if found != 1 {
		t.Fatalf("there are %d of %s %s, not 1", found, kind, name)
	}
	return out
}

func TestTheCertManagerOverlayAddsThisToTheDefaultAndNothingElse(t *testing.T) {
	ids := func(all resmap.ResMap) []string {
		var out []string
		for _, r := range all.Resources() {
			out = append(out, fmt.Sprintf("%s %s %s/%s", r.GetApiVersion(), r.GetKind(), r.GetNamespace(), r.GetName()))
		}
		return out
	}
	plain, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), "default")
	if err != nil {
		t.Fatal(err)
	}
	want := append(ids(plain),
		"cert-manager.io/v1 Issuer gitlatch-system/gitlatch-webhook-selfsigned",
		"cert-manager.io/v1 Certificate gitlatch-system/gitlatch-webhook-authority",
		"cert-manager.io/v1 Issuer gitlatch-system/gitlatch-webhook",
		"cert-manager.io/v1 Certificate gitlatch-system/gitlatch-webhook",
	)
	got := ids(overlay(t))
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestTheCertificateIsIssuedMountedServedAndInjected: names in four objects and a command line have to agree.
func TestTheCertificateIsIssuedMountedServedAndInjected(t *testing.T) {
	all := overlay(t)
	self := strictly[certmanagerv1.Issuer](t, all, "Issuer", "gitlatch-webhook-selfsigned")
	authority := strictly[certmanagerv1.Certificate](t, all, "Certificate", "gitlatch-webhook-authority")
	issuer := strictly[certmanagerv1.Issuer](t, all, "Issuer", "gitlatch-webhook")
	leaf := strictly[certmanagerv1.Certificate](t, all, "Certificate", "gitlatch-webhook")
	deployment := strictly[appsv1.Deployment](t, all, "Deployment", "gitlatch-webhook")
	pod := deployment.Spec.Template.Spec
	container := pod.Containers[0]
	flags := map[string]string{}
	for _, arg := range container.Args {
		name, value, _ := strings.Cut(arg, "=")
		flags[name] = value
	}
	volume, mount := pod.Volumes[0], container.VolumeMounts[0]

	for _, promise := range []struct {
		name string
		kept bool
	}{
		{"the authority signs itself", self.Spec.SelfSigned != nil && authority.Spec.IsCA && authority.Spec.IssuerRef.Name == self.Name && authority.Spec.IssuerRef.Kind == "Issuer"},
		{"it is renewed under its key", authority.Spec.PrivateKey.RotationPolicy == certmanagerv1.RotationPolicyNever},
		{"it is renewed after two thirds", authority.Spec.RenewBefore.Duration*3 == authority.Spec.Duration.Duration},
		{"it signs the certificate", issuer.Spec.CA != nil && issuer.Spec.CA.SecretName == authority.Spec.SecretName && leaf.Spec.IssuerRef.Name == issuer.Name && leaf.Spec.IssuerRef.Kind == "Issuer"},
		{"the certificate is renewed after half", leaf.Spec.RenewBefore.Duration*2 == leaf.Spec.Duration.Duration},
		{"under a key of its own", leaf.Spec.PrivateKey.RotationPolicy == certmanagerv1.RotationPolicyAlways && leaf.Spec.SecretName != authority.Spec.SecretName},
		{"it speaks for the Service", slices.Contains(leaf.Spec.DNSNames, "gitlatch-webhook.gitlatch-system.svc")},
		{"for a server", slices.Contains(leaf.Spec.Usages, certmanagerv1.UsageServerAuth)},
		{"its Secret is mounted, and no other", len(pod.Volumes) == 1 && len(container.VolumeMounts) == 1 && volume.Secret.SecretName == leaf.Spec.SecretName && mount.Name == volume.Name && mount.ReadOnly},
		{"as a folder: a file mounted by itself is never written anew", mount.SubPath == ""},
		{"the webhook reads it there", flags["--tls-cert-file"] == path.Join(mount.MountPath, "tls.crt") && flags["--tls-key-file"] == path.Join(mount.MountPath, "tls.key")},
		{"and what signed it", flags["--tls-ca-file"] == path.Join(mount.MountPath, "ca.crt")},
		{"the injector takes it from the same Secret", flags["--inject-ca-from"] == leaf.Namespace+"/"+leaf.Name},
		{"what else is said stays", flags["--failure-policy"] == "Ignore"},
	} {
		if !promise.kept {
			t.Errorf("not kept: %s", promise.name)
		}
	}
}

// TestUnderCertManagerTheWebhookMayTouchNoSecret: it keeps no authority.
func TestUnderCertManagerTheWebhookMayTouchNoSecret(t *testing.T) {
	role := strictly[rbacv1.Role](t, overlay(t), "Role", "gitlatch-webhook")
	plain := one[*rbacv1.Role](t, build(t, "default"), "gitlatch-webhook")
	want := slices.DeleteFunc(slices.Clone(plain.Rules), func(r rbacv1.PolicyRule) bool { return slices.Contains(r.Resources, "secrets") })
	if diff := cmp.Diff(want, role.Rules); diff != "" || len(want) != len(plain.Rules)-2 {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
