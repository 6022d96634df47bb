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

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

// TestTheAnswerComesToWhoIsStillSending: over HTTP/1 a review that is shed while it is
// still on its way is answered as well; a connection that is closed under the API
// server lets the write pass.
func TestTheAnswerComesToWhoIsStillSending(t *testing.T) {
	g := newGate(t, false, policyIn(t, v1alpha1.ModeEnforce))
	g.handler.Budget = NewBudget(0, MaxBody, maxDecodedForTest)
	body := padded(30 << 20)
	raw, err := sendThenRead(g, body)
	for range 4 { // a busy machine may keep the sender waiting for longer than the gate waits for it
		if err != nil {
			raw, err = sendThenRead(g, body)
		}
	}
	if err != nil {
		t.Fatalf("the gate hung up: %v", err)
	}
	got := reviewed(t, http.StatusOK, raw)
	if got.Allowed || string(got.UID) != webUID || !strings.HasPrefix(got.Result.Message, "Undecided: ") {
		t.Errorf("got %+v, want it shed with its uid", got)
	}
}

// sendThenRead sends all of a review before a word of the answer is read: net/http
// closes a connection that it does not read from half a second after its answer.
func sendThenRead(g *gate, body []byte) ([]byte, error) {
	conn, err := tls.Dial("tcp", g.server.Listener.Addr().String(), &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"http/1.1"}})
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	fmt.Fprintf(conn, "POST /gate HTTP/1.1\r\nHost: gate\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n", len(body))
	if _, err := io.Copy(conn, bytes.NewReader(body)); err != nil {
		return nil, err
	}
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	return io.ReadAll(response.Body)
}
