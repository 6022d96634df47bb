package webhook

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gitlatch/gitlatch/policy"
)

// FuzzReadPrefix: whatever the bytes, there is a request; and of a review that
// can be read whole, the prefix reads the same as the decoder.
func FuzzReadPrefix(f *testing.F) {
	whole := deployment()
	f.Add(whole, len(whole))
	f.Add(whole, 300)
	f.Add([]byte(`{"request":{"uid":7,"name":["x"],"userInfo":{"username":"alice","groups":3},"operation":"UPDATE"`), 90)
	f.Add([]byte(`{"request":{"uid":"a\u0000b"}}`), 100)
	f.Add(bytes.Repeat([]byte(`{"request":`), 100), 1000)
	f.Add(bytes.Repeat([]byte(`[`), 20000), 20000)
	f.Fuzz(func(t *testing.T, raw []byte, n int) {
		if n < 0 || n > len(raw) {
			n = len(raw)
		}
		got := readPrefix(raw[:n], true)
		if got == nil || !got.Final || got.Object != nil || got.Old != nil {
			t.Fatalf("readPrefix() = %+v", got)
		}
	})
}

// FuzzDecodeReview: it never panics, and what it returns can be judged.
func FuzzDecodeReview(f *testing.F) {
	f.Add(deployment())
	f.Add([]byte(`{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"1","operation":"DELETE","resource":{"resource":"pods"},"kind":{"kind":"Pod"},"object":null,"oldObject":{"metadata":3}}}`))
	f.Add([]byte(`{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"object":"Pod"}}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		req, recorded, err := decodeReview(raw, false)
		if err != nil {
			if req != nil {
				t.Errorf("an error and a request: %+v", req)
			}
			return
		}
		if req.UID == "" || req.Resource.Resource == "" || req.Kind.Kind == "" || req.Operation == "" {
			t.Errorf("a request without its head: %+v", req)
		}
		keyOf(req, recorded)
		payloadOf(req.Object)
		recordedTarget(req.Old)
		respondTo(t, req)
	})
}

func respondTo(t *testing.T, req *policy.Request) {
	d := denied()
	response, err := respond(req, d, "cr-7f3k9q2m", nil)
	if err != nil || response.Allowed || response.UID != req.UID {
		t.Errorf("respond() = %+v, %v", response, err)
	}
}

// TestPrefixReadsWhatTheDecoderReads: all of the envelope, without the objects.
func TestPrefixReadsWhatTheDecoderReads(t *testing.T) {
	want, _, err := decodeReview(deployment(), false)
	if err != nil {
		t.Fatal(err)
	}
	want.Object, want.Old, want.FieldManager = nil, nil, ""
	whole := deployment()
	for _, n := range []int{len(whole), bytes.Index(whole, []byte(`"replicas":2`)), bytes.Index(whole, []byte(`"object"`))} {
		if diff := cmp.Diff(want, readPrefix(whole[:n], false)); diff != "" {
			t.Errorf("the first %d bytes (-want +got):\n%s", n, diff)
		}
	}
}
