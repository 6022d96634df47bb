package policy

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"slices"
	"strings"
)

// certificate: a client certificate in the name of a guarded identity, asked
// for or approved. Kinds of signers: k8s.io/api/certificates/v1.
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
	switch text(spec, "signerName") {
	case "kubernetes.io/kube-apiserver-client", "kubernetes.io/kube-apiserver-client-kubelet":
	default:
		return ""
	}
	name, groups, err := certificateSubject(text(spec, "request"))
	if err != nil {
		return "asks for a client certificate whose subject can't be read"
	}
	if q.guardedSubject(name, groups) {
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
func (q *question) guardedSubject(user string, groups []string) bool {
	guarded := func(user, group string) bool {
		return strings.HasPrefix(user+group, "system:") || q.guardedName(user, group)
	}
	if q.entrusted() {
		guarded = func(user, group string) bool {
			return strings.HasPrefix(user, accountPrefix) || slices.Contains(ControlPlaneUsers(), user) ||
				group == mastersGroup || strings.HasPrefix(group, "system:serviceaccounts") || q.policy.syncName(user, group)
		}
	}
	return guarded(user, "") || slices.ContainsFunc(groups, func(group string) bool { return guarded("", group) })
}
