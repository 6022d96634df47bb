package git

import (
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
)

// silence accepts connections and says nothing.
func silence(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { _ = conn.Close() })
		}
	}()
	return listener.Addr().String()
}

// breaksOff gives the first half of every answer that holds objects.
func breaksOff(whole http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		recorded := httptest.NewRecorder()
		whole.ServeHTTP(recorded, request)
		body := recorded.Body.Bytes()
		if strings.HasSuffix(request.URL.Path, "/git-upload-pack") {
			body = body[:len(body)/2]
		}
		for key, values := range recorded.Header() {
			w.Header()[key] = values
		}
		_, _ = w.Write(body) // the client may be gone
	})
}

// noise doesn't compress.
func noise(size int) string {
	source := rand.NewChaCha8([32]byte{1})
	content := make([]byte, size)
	_, _ = source.Read(content) // never fails
	return string(content)
}

func read(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}
