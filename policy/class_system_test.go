package policy

import "github.com/gitlatch/gitlatch/api/v1alpha1"

// bootstrapCSR: a machine asks to become a node.
func bootstrapCSR(signer string) tweak {
	return func(s *scene) {
		of("certificates.k8s.io", "v1", "certificatesigningrequests", "CertificateSigningRequest")(s)
		named("", "csr-1")(s)
		creates(`{apiVersion: certificates.k8s.io/v1, kind: CertificateSigningRequest, metadata: {name: csr-1}, spec: {signerName: "` + signer + `", request: "!"}}`)(s)
	}
}

func systemCases() []ruleCase {
	ok := allowed(v1alpha1.ClassSystem)
	machine := User{Name: "system:bootstrap:abc123", Groups: []string{"system:bootstrappers", "system:authenticated"}}
	kcm := User{Name: "system:kube-controller-manager", Extra: map[string][]string{ExtraCredentialID: {"X509SHA256=1"}}}
	const kubelet = "kubernetes.io/kube-apiserver-client-kubelet"
	certificate := denied(v1alpha1.ClassCredential, v1alpha1.ReasonCredential, "certificates.k8s.io/CertificateSigningRequest csr-1 asks for a client certificate whose subject can't be read")
	ns := []tweak{of("", "v1", "namespaces", "Namespace"), named("prod", "prod"), deletes}
	return []ruleCase{
		{name: "the garbage collector deletes a declared object", when: []tweak{by(gc()), deletes}, fits: true, want: ok},
		{name: "the garbage collector under --as", when: []tweak{by(posing(gc())), deletes}, want: webDenied()},
		{name: "the garbage collector's name with a uid alone", when: []tweak{by(User{Name: gc().Name, UID: "s1"}), deletes}, want: webDenied()},
		{name: "its name in another namespace", when: []tweak{by(minted("prod", "generic-garbage-collector")), deletes}, want: webDenied()},
		{name: "an add-on of kube-system", when: []tweak{by(minted("kube-system", "coredns")), deletes}, want: webDenied()},
		{name: "a pod-bound add-on of kube-system", when: []tweak{by(podOf("kube-system", "coredns")), deletes}, want: webDenied(touches(".metadata", ".spec"))},
		{name: "a node by its certificate", when: []tweak{by(node()), image}, fits: true, want: ok},
		{name: "a node under --as", when: []tweak{by(posing(node())), image}, want: webDenied(touches(`.spec.template.spec.containers[name="web"].image`))},
		{name: "a node's name without its group", when: []tweak{by(User{Name: "system:node:n1", UID: "1"}), deletes}, want: webDenied()},
		{name: "the group of nodes without a node's name", when: []tweak{by(User{Name: "alice", UID: "1", Groups: []string{"system:nodes"}}), deletes}, want: webDenied()},
		{name: "the controller manager by its certificate", when: []tweak{by(kcm), deletes}, fits: true, want: ok},
		{name: "the controller manager under --as", when: []tweak{by(posing(kcm)), deletes}, want: webDenied()},
		{name: "the API server's loopback client", when: []tweak{by(User{Name: "system:apiserver", UID: "1"}), image}, fits: true, want: ok},
		{name: "system:anything is nobody", when: []tweak{by(User{Name: "system:admin", UID: "1", Groups: []string{"system:masters"}}), deletes}, want: webDenied()},
		{name: "the namespace controller deletes a namespace", when: append(ns, by(minted("kube-system", "namespace-controller"))), fits: true, want: ok},
		{name: "a machine asks to become a node", when: []tweak{by(machine), bootstrapCSR(kubelet)}, fits: true, want: ok},
		{name: "a machine asks for another certificate", when: []tweak{by(machine), bootstrapCSR("kubernetes.io/kube-apiserver-client")}, want: certificate},
		{name: "a machine writes something else", when: []tweak{by(machine), deletes}, want: webDenied()},
		{name: "a bootstrap token's name without its group", when: []tweak{by(User{Name: machine.Name}), bootstrapCSR(kubelet)}, want: certificate},
	}
}
