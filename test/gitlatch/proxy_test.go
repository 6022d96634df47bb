package gitlatch

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/gitlatch/gitlatch/test/process"
)

// speaker is a backend that says its name and hangs up.
func speaker(t *testing.T, name string) net.Listener {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			_, _ = io.WriteString(conn, name)
			_ = conn.Close()
		}
	}()
	return listener
}

func TestTheProxyTakesTurnsAndGoesAroundTheDead(t *testing.T) {
	first, second := speaker(t, "a"), speaker(t, "b")
	p, err := startProxy(0, []string{first.Addr().String(), second.Addr().String()})
	if err != nil {
		t.Fatal(err)
	}
	defer p.stop()
	hear := func() string {
		conn, err := net.Dial("tcp", process.Address(p.port()))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
		said, err := io.ReadAll(conn)
		if err != nil {
			t.Fatal(err)
		}
		return string(said)
	}
	if said := hear() + hear() + hear() + hear(); said != "baba" && said != "abab" {
		t.Errorf("the backends answered %q, not in turns", said)
	}
	first.Close()
	if said := hear() + hear() + hear(); said != strings.Repeat("b", 3) {
		t.Errorf("with a dead backend %q answered, not bbb", said)
	}
	p.stop()
	if _, err := net.Dial("tcp", process.Address(p.port())); err == nil {
		t.Error("a stopped proxy still takes connections")
	}
}

func TestWaitForSaysWhatItWaitedForAndTheLastAnswer(t *testing.T) {
	err := WaitFor(t.Context(), 120*time.Millisecond, "the ReplicaSet", func(context.Context) error {
		return errors.New("there are 0 pods")
	})
	if err == nil || !strings.HasPrefix(err.Error(), "waiting for the ReplicaSet: not after ") || !strings.HasSuffix(err.Error(), ": there are 0 pods") {
		t.Errorf("got %v", err)
	}
}
