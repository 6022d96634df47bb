package main

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// An API server is told to let go of a connection with the answer that it is sent on
// it, once the replica drains; not before.
func TestADrainingReplicaEndsItsConnections(t *testing.T) {
	p := &parts{}
	server := httptest.NewUnstartedServer(p.parting(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})))
	server.StartTLS()
	defer server.Close()
	client := server.Client()
	ask := func() (closed bool) {
		response, err := client.Get(server.URL)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		return response.Close
	}
	got := []bool{ask(), ask()}
	p.draining.Store(true)
	got = append(got, ask())
	if diff := cmp.Diff([]bool{false, false, true}, got); diff != "" {
		t.Errorf("answers that ended their connection (-want +got):\n%s", diff)
	}
}
