package identity

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"net/http"
	"strings"
	"testing"
)

const (
	csrs          = "/apis/certificates.k8s.io/v1/certificatesigningrequests"
	clientSigner  = "kubernetes.io/kube-apiserver-client"
	kubeletSigner = "kubernetes.io/kube-apiserver-client-kubelet"
)

// csr is a request for a certificate in the name of a user and of groups.
func csr(name, signer, user string, groups ...string) request {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err) // the system has no randomness
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: user, Organization: groups}}, key)
	if err != nil {
		panic(err)
	}
	text := base64.StdEncoding.EncodeToString(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}))
	return request{http.MethodPost, csrs, fmt.Sprintf("apiVersion: certificates.k8s.io/v1\nkind: CertificateSigningRequest\nmetadata: {name: %s}\n"+
		"spec: {signerName: %s, usages: [digital signature, client auth], request: %s}\n", name, signer, text), ""}
}

// A certificate is a name and its proof. Policies here leave the kind out; nobody gets, or approves, one of the control
// plane's all the same.
func TestCertificatesOfWhoIsBelieved(t *testing.T) {
	ways := []way{
		{"the controller manager", csr("thief", clientSigner, "system:kube-controller-manager"), "CREATE certificatesigningrequests /thief"},
		{"the sync's account", csr("thief", clientSigner, syncUser), "CREATE certificatesigningrequests /thief"},
		{"an administrator by group", csr("thief", clientSigner, "dave", "system:masters"), "CREATE certificatesigningrequests /thief"},
		{"a node", csr("thief", kubeletSigner, "system:node:gitlatch-node", "system:nodes"), "CREATE certificatesigningrequests /thief"},
	}
	waiting := csr("waiting", kubeletSigner, "system:node:gitlatch-node", "system:nodes")
	known(t, syncer).send(t, waiting).mustAllow(t)
	approve := func(name, status string) request {
		return request{http.MethodPatch, csrs + "/" + name + "/approval", `{"status":{"conditions":[{"type":"Approved","status":"` + status + `","reason":"Mine","message":"mine"}]}}`, ""}
	}
	ways = append(ways, way{"the approval of a node's", approve("waiting", "True"), "UPDATE certificatesigningrequests/approval /waiting"})
	dave := person(t, "dave")
	t.Run("a person", func(t *testing.T) { refused(t, known(t, dave), dave, ways) })
	t.Run("a controller", func(t *testing.T) {
		refused(t, known(t, "operators/certificate-operator"), accountPrefix+"operators:certificate-operator", ways)
	})
	for _, who := range []string{dave, operator} { // in nobody's name in particular
		name := strings.ReplaceAll(who, "/", ".") + ".own"
		known(t, who).send(t, csr(name, clientSigner, "dave", "devs")).mustAllow(t)
		known(t, who).send(t, approve(name, "True")).mustAllow(t)
		known(t, who).send(t, request{http.MethodDelete, csrs + "/" + name, "", ""}).mustAllow(t)
	}
	known(t, syncer).send(t, request{http.MethodDelete, csrs + "/waiting", "", ""}).mustAllow(t)
}
