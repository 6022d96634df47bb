package webhook

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	admissionv1 "k8s.io/api/admission/v1"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

const webUID = "7d9c6c1e-0000-4000-8000-000000000001"

// TestBadInput: whatever comes, the answer is a review with the uid, and a
// denial under Enforce.
func TestBadInput(t *testing.T) {
	whole := deployment()
	operation := func(op admissionv1.Operation) func(*admissionv1.AdmissionRequest) {
		return func(r *admissionv1.AdmissionRequest) { r.Operation = op }
	}
	for name, tc := range map[string]struct {
		method, contentType string
		body                []byte
		uid                 string
		message             string
	}{
		"an empty body is denied": {
			message: "Undecided: this request could not be judged: decoding the review: not an AdmissionReview in JSON.\n" +
				"  policy: cluster\n" +
				"  next: this did not look like a review of the API server; see the logs of the gate's pods",
		},
		"something that is no JSON is denied": {
			body: []byte("<html>"),
			message: "Undecided: this request could not be judged: decoding the review: not an AdmissionReview in JSON.\n" +
				"  policy: cluster\n" +
				"  next: this did not look like a review of the API server; see the logs of the gate's pods",
		},
		"a review that is cut off in its object is denied with its uid and user": {
			body: whole[:bytes.Index(whole, []byte(`"spec"`))], uid: webUID,
			message: "Undecided: apps/Deployment prod/web could not be judged: decoding the review: not an AdmissionReview in JSON.\n" +
				"  policy: cluster    you: alice    record: cr-7f3k9q2m\n" +
				"  next: this did not look like a review of the API server; see the logs of the gate's pods",
		},
		"a wrong content type is denied": {
			contentType: "text/plain", body: whole, uid: webUID,
			message: "Undecided: apps/Deployment prod/web could not be judged: reading the review: the content type is not\n" +
				"  application/json.\n" +
				"  policy: cluster    you: alice    record: cr-7f3k9q2m\n" +
				"  next: this did not look like a review of the API server; see the logs of the gate's pods",
		},
		"a PUT is denied": {
			method: http.MethodPut, body: whole, uid: webUID,
			message: "Undecided: apps/Deployment prod/web could not be judged: reading the review: not an HTTP POST.\n" +
				"  policy: cluster    you: alice    record: cr-7f3k9q2m\n" +
				"  next: this did not look like a review of the API server; see the logs of the gate's pods",
		},
		"an unknown operation is denied": {
			body: deployment(operation("UPSERT")), uid: webUID,
			message: "Undecided: apps/Deployment prod/web could not be judged: reading the review: an operation that is not known.\n" +
				"  policy: cluster    you: alice    record: cr-7f3k9q2m\n" +
				"  next: this did not look like a review of the API server; see the logs of the gate's pods",
		},
		"AdmissionReview v1beta1 is not spoken": {
			body: bytes.Replace(whole, []byte("admission.k8s.io/v1"), []byte("admission.k8s.io/v1beta1"), 1), uid: webUID,
			message: "Undecided: apps/Deployment prod/web could not be judged: reading the review: only admission.k8s.io/v1\n" +
				"  AdmissionReview is spoken.\n" +
				"  policy: cluster    you: alice    record: cr-7f3k9q2m\n" +
				"  next: this did not look like a review of the API server; see the logs of the gate's pods",
		},
		"a body of one byte more than 40 MiB is denied": {
			body: padded(MaxBody + 1), uid: webUID,
			message: "Undecided: apps/Deployment prod/web could not be judged: reading the review: longer than 40 MiB.\n" +
				"  policy: cluster    you: alice    record: cr-7f3k9q2m\n" +
				"  next: make the object smaller, or bring it through git",
		},
		"a body that would take a gigabyte decoded is denied": {
			body: bytes.Replace(whole, []byte(`{"replicas":4}`), []byte(`{"replicas":[`+strings.Repeat("[],", 4<<20)+`[]]}`), 1), uid: webUID,
			message: "Undecided: apps/Deployment prod/web could not be judged: reading the review: too many values in it.\n" +
				"  policy: cluster    you: alice    record: cr-7f3k9q2m\n" +
				"  next: make the object smaller, or bring it through git",
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := newGate(t, false, policyIn(t, v1alpha1.ModeEnforce))
			if tc.method == "" {
				tc.method = http.MethodPost
			}
			if tc.contentType == "" {
				tc.contentType = "application/json"
			}
			got := g.send(tc.method, tc.contentType, bytes.NewReader(tc.body))
			if string(got.UID) != tc.uid || got.Allowed {
				t.Errorf("uid %q, allowed %v; want %q, denied", got.UID, got.Allowed, tc.uid)
			}
			if diff := cmp.Diff(tc.message, got.Result.Message); diff != "" {
				t.Errorf("message (-want +got):\n%s", diff)
			}
			if got.Result.Code != http.StatusForbidden || got.Result.Details.Causes[0].Type != "Undecided" {
				t.Errorf("status %+v, want 403 Undecided", got.Result)
			}
		})
	}
}

// padded is a review of exactly n bytes: one long string in its object.
func padded(n int) []byte {
	whole := deployment()
	at := bytes.Index(whole, []byte(`{"replicas":4}`))
	out := make([]byte, 0, n)
	out = append(out, whole[:at]...)
	out = append(out, `{"pad":"`...)
	tail := append([]byte(`"}`), whole[at+len(`{"replicas":4}`):]...)
	out = append(out, bytes.Repeat([]byte("<"), n-len(out)-len(tail))...)
	return append(out, tail...)
}

// TestLongReviews: reviews of twelve and of forty mebibytes are judged like any
// other.
func TestLongReviews(t *testing.T) {
	for _, size := range []int{prefixLength, prefixLength + 1, 12 << 20, MaxBody} {
		t.Run(fmt.Sprintf("a review of %d bytes is judged", size), func(t *testing.T) {
			g := newGate(t, false, policyIn(t, v1alpha1.ModeEnforce))
			got := g.post(padded(size))
			if got.Allowed || got.Result.Details.Causes[0].Type != "OutOfBand" {
				t.Errorf("got %+v, want it denied as OutOfBand", got)
			}
		})
	}
	t.Run("a chunked one too", func(t *testing.T) {
		g := newGate(t, false, policyIn(t, v1alpha1.ModeEnforce))
		got := g.send(http.MethodPost, "application/json", io.MultiReader(bytes.NewReader(padded(1<<20))))
		if got.Allowed || got.Result.Details.Causes[0].Type != "OutOfBand" {
			t.Errorf("got %+v, want it denied as OutOfBand", got)
		}
	})
}

// TestGet: a request with no body at all gets a review as well.
func TestGet(t *testing.T) {
	g := newGate(t, false, policyIn(t, v1alpha1.ModeEnforce))
	if got := g.send(http.MethodGet, "", nil); got.Allowed || got.UID != "" {
		t.Errorf("got %+v, want a denial without a uid", got)
	}
}

// TestStalledClient: a client that stops within its review is answered within
// two seconds, with the uid that it sent.
func TestStalledClient(t *testing.T) {
	g := newGate(t, false, policyIn(t, v1alpha1.ModeEnforce))
	conn, err := tls.Dial("tcp", g.server.Listener.Addr().String(), &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"http/1.1"}})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	whole := padded(1 << 20)
	start := time.Now()
	fmt.Fprintf(conn, "POST / HTTP/1.1\r\nHost: gate\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n", len(whole))
	if _, err := conn.Write(whole[:200<<10]); err != nil {
		t.Fatal(err)
	}
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	raw, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	if took := time.Since(start); took > answerBy+200*time.Millisecond {
		t.Errorf("answered after %s", took)
	}
	got := reviewed(t, response.StatusCode, raw)
	if string(got.UID) != webUID || got.Allowed || !strings.Contains(got.Result.Message, "it did not come in time") {
		t.Errorf("got %+v, want it denied as stalled", got)
	}
}

// TestPanic: a panic inside is a denial, and says nothing of what it saw.
func TestPanic(t *testing.T) {
	g := newGate(t, true, policyIn(t, v1alpha1.ModeEnforce))
	g.lookups.panics = true
	got := g.post(deployment(func(r *admissionv1.AdmissionRequest) {
		r.SubResource = "scale"
		r.Kind.Group, r.Kind.Kind = "autoscaling", "Scale"
	}))
	if got.Allowed || string(got.UID) != webUID || strings.Contains(fmt.Sprint(got), "hunter2") {
		t.Errorf("got %+v, want a denial with the uid", got)
	}
}

// TestPoliciesUnknown: before the policies are read nothing is let through.
func TestPoliciesUnknown(t *testing.T) {
	g := newGate(t, false)
	g.handler.Policies = unreadPolicies{}
	got := g.post(deployment())
	if got.Allowed || !strings.HasPrefix(got.Result.Message, "Undecided: ") {
		t.Errorf("got %+v, want it denied as Undecided", got)
	}
}

// TestUndecidedElsewhere: where no policy enforces, a review that can't be read
// passes, and is recorded where one audits.
func TestUndecidedElsewhere(t *testing.T) {
	cut := deployment()[:700]
	for name, tc := range map[string]struct {
		mode    v1alpha1.Mode
		body    []byte
		allowed bool
		records []v1alpha1.Outcome
	}{
		"an excluded namespace under Enforce": {
			mode:    v1alpha1.ModeEnforce,
			body:    bytes.Replace(cut, []byte(`"prod"`), []byte(`"kube-node-lease"`), 1),
			allowed: true,
		},
		"Audit":                {mode: v1alpha1.ModeAudit, body: cut, allowed: true, records: []v1alpha1.Outcome{v1alpha1.OutcomeFlagged}},
		"Warn":                 {mode: v1alpha1.ModeWarn, body: cut, allowed: true, records: []v1alpha1.Outcome{v1alpha1.OutcomeFlagged}},
		"no policy":            {body: cut, allowed: true},
		"Gitlatch's namespace": {body: bytes.Replace(cut, []byte(`"prod"`), []byte(`"gitlatch-system"`), 1), records: []v1alpha1.Outcome{v1alpha1.OutcomeDenied}},
	} {
		t.Run(name, func(t *testing.T) {
			g := newGate(t, false)
			if tc.mode != "" {
				g.handler.Policies = fixedPolicies{policyIn(t, tc.mode)}
			}
			got := g.post(tc.body)
			if got.Allowed != tc.allowed || string(got.UID) != webUID {
				t.Errorf("got %+v, want allowed %v", got, tc.allowed)
			}
			if diff := cmp.Diff(tc.records, g.recorder.outcomes()); diff != "" {
				t.Errorf("records (-want +got):\n%s", diff)
			}
		})
	}
}
