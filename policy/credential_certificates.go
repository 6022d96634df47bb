package policy

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"slices"
	"strings"
)

// Signers of client certificates: k8s.io/api/certificates/v1.
const (
	clientSigner  = "kubernetes.io/kube-apiserver-client"
	kubeletSigner = "kubernetes.io/kube-apiserver-client-kubelet"
)

// certificate: a client certificate in the name of a guarded identity, asked
// for or approved.
func (q *question) certificate() string {
	r := q.req
	if r.Resource.Resource != csrResource || r.Operation == Delete || r.Subresource == "status" {
		return ""
	}
	obj := r.Object
	if obj == nil {
		obj = r.Old
	}
	spec := child(obj, "spec")
	signer := text(spec, "signerName")
	if signer != clientSigner && signer != kubeletSigner {
		return ""
	}
	name, groups, err := certificateSubject(text(spec, "request"))
	if err != nil {
		return "asks for a client certificate whose subject can't be read"
	}
	if q.guardedSubject(signer, name, groups) {
		return "is a way to become " + name + " by a client certificate"
	}
	return ""
}

// certificateSubject reads user and groups from a PEM request in base64.
func certificateSubject(request string) (string, []string, error) {
	raw, err := base64.StdEncoding.DecodeString(request)
	if err != nil {
		return "", nil, err
	}
	if block, _ := pem.Decode(raw); block != nil {
		raw = block.Bytes
	}
	csr, err := x509.ParseCertificateRequest(raw)
	if err != nil {
		return "", nil, err
	}
	return csr.Subject.CommonName, csr.Subject.Organization, nil
}

// guardedSubject: names of the control plane, which ordinary certificates never
// carry, and those that the policy names. Whom the policy trusts with requests for
// certificates approves those of nodes, and of trusted identities.
func (q *question) guardedSubject(signer, user string, groups []string) bool {
	guarded := func(user, group string) bool {
		return strings.HasPrefix(user+group, "system:") || q.guardedName(user, group)
	}
	if q.entrusted() {
		if signer == kubeletSigner && nodeSubject(user, groups) {
			return false
		}
		guarded = func(user, group string) bool { return q.guardedFromEntrusted(user, group, groups) }
	}
	return guarded(user, "") || slices.ContainsFunc(groups, func(group string) bool { return guarded("", group) })
}

// guardedFromEntrusted: of the names that begin with "system:" only those of trusted identities are left to them, and of
// who is in a trusted group: a platform's agent has a user of its own on each node. Never a node's, by a signer that takes
// any subject: the gate lets nodes through, and other groups may stand beside theirs.
func (q *question) guardedFromEntrusted(user, group string, beside []string) bool {
	switch {
	case strings.HasPrefix(user, accountPrefix), slices.Contains(ControlPlaneUsers(), user), strings.HasPrefix(user, nodePrefix),
		group == mastersGroup, group == nodesGroup, group == accountsGroup, strings.HasPrefix(group, accountsGroup+":"),
		q.policy.syncName(user, group):
		return true
	case !strings.HasPrefix(user+group, "system:"), q.policy.trustedName(user, group):
		return false
	}
	return group != "" || !slices.ContainsFunc(beside, func(g string) bool { return q.policy.trustedName("", g) })
}

// nodeSubject: the one that the kubelet's signer issues, and no other
// (k8s.io/kubernetes/pkg/apis/certificates, ValidateKubeletClientCSR).
func nodeSubject(user string, groups []string) bool {
	return strings.HasPrefix(user, nodePrefix) && slices.Equal(groups, []string{nodesGroup})
}
