package manifests_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"iter"
	"maps"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/policy"
)

// act is what an identity of a platform does every day.
type act struct {
	name  string
	user  policy.User
	req   policy.Request
	needs bool // without the preset it is denied
}

func (a act) decide(p *policy.Policy) policy.Decision {
	r := a.req
	r.User = a.user
	return policy.Decide(&r, []*policy.Policy{p}, &policy.Facts{
		Install:     policy.Installation{Namespace: "gitlatch-system", Webhook: "gitlatch-webhook", Applier: "gitlatch-applier", Reporter: "gitlatch-reporter"},
		WindowsLive: true, BreakGlass: policy.Unauthorized, NamespaceLabels: map[string]string{},
	})
}

func mapsKeys[V any](m map[string]V) iter.Seq[string] { return maps.Keys(m) }

// certified is a user by client certificate, who shows what that shows.
func certified(name string, groups ...string) policy.User {
	return policy.User{Name: name, Groups: append(groups, "system:authenticated"), Extra: map[string][]string{policy.ExtraCredentialID: {"X509SHA256=1"}}}
}

// pod is an account by the token of its pod, and minted one by a token of none.
func pod(namespace, name string) policy.User {
	u := minted(namespace, name)
	u.Extra[policy.ExtraPodName], u.Extra[policy.ExtraPodUID] = []string{"p"}, []string{"u"}
	return u
}

func minted(namespace, name string) policy.User {
	return policy.User{
		Name: "system:serviceaccount:" + namespace + ":" + name, UID: "u",
		Groups: []string{"system:serviceaccounts", "system:serviceaccounts:" + namespace, "system:authenticated"},
		Extra:  map[string][]string{policy.ExtraCredentialID: {"JTI=1"}},
	}
}

func presenting(s *v1alpha1.Subject) policy.User {
	switch a := s.ServiceAccount; {
	case a != nil && s.PodBound != nil && !*s.PodBound:
		return minted(a.Namespace, a.Name)
	case a != nil:
		return pod(a.Namespace, a.Name)
	case s.Group != "":
		return certified("somebody", s.Group)
	}
	return certified(s.User)
}

// writes changes an object, or its subresource.
func writes(u policy.User, group, resource, subresource, namespace string, change map[string]any) act {
	meta := map[string]any{"name": "x", "namespace": namespace}
	now := maps.Clone(change)
	if now == nil {
		now = map[string]any{}
	}
	if changed, ok := now["metadata"].(map[string]any); ok {
		maps.Copy(meta, changed)
	}
	now["metadata"] = meta
	return act{name: u.Name + " writes " + resource + "/" + subresource, user: u, needs: true, req: policy.Request{
		Operation: policy.Update, Resource: schema.GroupVersionResource{Group: group, Version: "v1", Resource: resource},
		Subresource: subresource, Namespace: namespace, Name: "x", Object: now,
		Old: map[string]any{"metadata": map[string]any{"name": "x", "namespace": namespace}},
	}}
}

func annotated(keys ...string) map[string]any {
	annotations := map[string]any{}
	for _, k := range keys {
		annotations[k] = "1"
	}
	return map[string]any{"metadata": map[string]any{"name": "x", "annotations": annotations}}
}

func created(a act) act {
	a.req.Operation, a.req.Old = policy.Create, nil
	return a
}

func spec(value map[string]any) map[string]any { return map[string]any{"spec": value} }

func token(u policy.User, namespace, account string) act {
	a := created(writes(u, "", "serviceaccounts", "token", namespace, spec(map[string]any{})))
	a.name, a.req.Name = u.Name+" asks for a token of "+account, account
	return a
}

func bindingOf(u policy.User, kind, namespace, name string) act {
	subject := map[string]any{"kind": kind, "name": name}
	if namespace != "" {
		subject["namespace"] = namespace
	}
	a := created(writes(u, "rbac.authorization.k8s.io", "clusterrolebindings", "", "", map[string]any{"subjects": []any{subject}}))
	a.name = u.Name + " binds " + name
	return a
}

// certificateOf asks for one for clients.
func certificateOf(t *testing.T, u policy.User, name string, groups ...string) act {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: name, Organization: groups}}, key)
	if err != nil {
		t.Fatal(err)
	}
	request := base64.StdEncoding.EncodeToString(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}))
	signer := "kubernetes.io/kube-apiserver-client"
	if strings.HasPrefix(name, "system:node:") {
		signer += "-kubelet" // k8s.io/kubernetes/pkg/kubelet/certificate/bootstrap, requestNodeCertificate
	}
	a := created(writes(u, "certificates.k8s.io", "certificatesigningrequests", "", "",
		spec(map[string]any{"signerName": signer, "request": request})))
	a.name = u.Name + " asks for a certificate of " + name
	return a
}

// approved is the approval of what was asked for.
func approved(a act, by policy.User) act {
	a.name, a.user = by.Name+" approves: "+a.name, by
	a.req.Operation, a.req.Subresource, a.req.Old = policy.Update, "approval", a.req.Object
	a.req.Object = maps.Clone(a.req.Old)
	a.req.Object["status"] = map[string]any{"conditions": []any{map[string]any{"type": "Approved"}}}
	return a
}

func allowedBare(a act) act {
	a.needs = false
	return a
}
