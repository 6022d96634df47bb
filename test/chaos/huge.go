package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	admissionv1 "k8s.io/api/admission/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gitlatch/gitlatch/test/gitlatch"
	"github.com/gitlatch/gitlatch/webhook/registration"
)

// Sizes of reviews: the API server sends up to 12 MiB of what people write, a webhook takes up to 40 MiB.
const (
	smallestHuge = 12 << 20
	largestHuge  = 40 << 20
)

// errAdmitted is what is wrong with an answer that lets a person's write pass.
var errAdmitted = errors.New("a review of a person's write was answered with yes")

// giant sends reviews to one webhook past the API server, as one does that has lost its measure, or whoever reaches
// the port.
type giant struct {
	client *http.Client
	url    string
}

// giant is one for replica i. It trusts whom the API server trusts.
func (w *world) giant(ctx context.Context, i int) (*giant, error) {
	c, err := w.client("admin")
	if err != nil {
		return nil, err
	}
	registered, err := c.AdmissionregistrationV1().MutatingWebhookConfigurations().Get(ctx, "gitlatch", metav1.GetOptions{})
	if err != nil {
		return nil, err
	}
	trusted := x509.NewCertPool()
	if len(registered.Webhooks) == 0 || !trusted.AppendCertsFromPEM(registered.Webhooks[0].ClientConfig.CABundle) {
		return nil, errors.New("reading whom the API server trusts: no webhook has a CA bundle")
	}
	name := "gitlatch-webhook." + gitlatch.Namespace + ".svc"
	// A connection for each review: HTTP/2 would bound them by its window.
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: trusted, ServerName: name}, DisableKeepAlives: true}
	return &giant{client: &http.Client{Transport: transport, Timeout: 10 * time.Second}, url: w.gate.URL(i) + registration.GatePath}, nil
}

// send has a person write so many bytes. The answer must be a review with its uid that denies; [errAdmitted] says that
// it let the write pass, any other error that there was no answer.
func (g *giant) send(ctx context.Context, uid string, size int) error {
	head := fmt.Sprintf(`{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":{"uid":%q,`+
		`"kind":{"group":"","version":"v1","kind":"ConfigMap"},"resource":{"group":"","version":"v1","resource":"configmaps"},`+
		`"name":"huge","namespace":%q,"operation":"CREATE","userInfo":{"username":"alice","groups":["devs"]},`+
		`"object":{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"huge","namespace":%q},"data":{"page":"`, uid, enforced, enforced)
	const tail = `"}}}}`
	body := io.MultiReader(strings.NewReader(head), io.LimitReader(endless{}, int64(size)), strings.NewReader(tail))
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, g.url, body)
	if err != nil {
		return err
	}
	request.ContentLength = int64(len(head) + size + len(tail))
	request.Header.Set("Content-Type", "application/json")
	response, err := g.client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	said, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	if err != nil {
		return err
	}
	var review admissionv1.AdmissionReview
	switch err := json.Unmarshal(said, &review); {
	case response.StatusCode != http.StatusOK:
		return fmt.Errorf("%s: %s", response.Status, said)
	case err != nil:
		return fmt.Errorf("reading the answer: %w", err)
	case review.Response == nil || string(review.Response.UID) != uid:
		return fmt.Errorf("the answer is none to review %s: %s", uid, said)
	case review.Response.Allowed:
		return errAdmitted
	}
	return nil
}

// endless is a text without an end, which takes no memory.
type endless struct{}

func (endless) Read(p []byte) (int, error) {
	return copy(p, bytes.Repeat([]byte("<"), min(len(p), 64<<10))), nil
}
