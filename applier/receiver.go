package applier

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/types"
)

// Limits of the receiver. GitHub sends payloads of at most 25 MB
// (docs.github.com, "Webhook events and payloads").
const (
	maxPush     = 25 << 20
	pushTimeout = 10 * time.Second
)

// Headers that carry the proof of a push, by sender.
const (
	headerGitHub  = "X-Hub-Signature-256" // "sha256=" and hex; Gitea and Forgejo send it too
	headerGitea   = "X-Gitea-Signature"   // hex
	headerForgejo = "X-Forgejo-Signature" // hex
	headerGitLab  = "X-Gitlab-Token"      // the token itself
	headerGeneric = "X-Signature"         // "sha256=" and hex
)

// receiver takes push notifications at /push/<namespace>/<name> and wakes the sync.
// What a notification says is not read: the remote is asked. It must only prove, by
// an HMAC-SHA256 over its body (or, from GitLab, by the token), that its sender knows
// the token of the sync's spec.receiver.
type receiver struct {
	address string
	// token of a sync; an error, and the sender is told nothing but no.
	token func(context.Context, types.NamespacedName) ([]byte, error)
	wake  func(types.NamespacedName)
	log   logr.Logger
	count func(result string) // accepted, refused, ignored
}

// NeedLeaderElection says that it runs where the syncs do.
func (r *receiver) NeedLeaderElection() bool { return true }

// Start serves until ctx ends.
func (r *receiver) Start(ctx context.Context) error {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", r.address)
	if err != nil {
		return fmt.Errorf("listening for push notifications: %w", err)
	}
	server := &http.Server{Handler: r.handler(), ReadTimeout: pushTimeout, WriteTimeout: pushTimeout, MaxHeaderBytes: 16 << 10}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	select {
	case err := <-ended:
		return fmt.Errorf("serving push notifications: %w", err)
	case <-ctx.Done():
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), pushTimeout)
	defer cancel()
	if err := server.Shutdown(last); err != nil {
		return fmt.Errorf("ending the push receiver: %w", err)
	}
	return nil
}

func (r *receiver) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /push/{namespace}/{name}", r.push)
	return mux
}

func (r *receiver) push(w http.ResponseWriter, request *http.Request) {
	key := types.NamespacedName{Namespace: request.PathValue("namespace"), Name: request.PathValue("name")}
	log := r.log.WithValues("namespace", key.Namespace, "name", key.Name)
	token, err := r.token(request.Context(), key)
	if err == nil && len(token) == 0 {
		err = errors.New("the token is empty")
	}
	if err == nil {
		err = proven(request.Header, http.MaxBytesReader(w, request.Body, maxPush), token)
	}
	switch {
	case err != nil:
		// The same answer whether there is such a sync or not: who may not push may not
		// ask what there is either.
		log.Info("refused a push notification", "error", err.Error())
		r.count("refused")
		http.Error(w, "not proven: the signature does not fit this path", http.StatusUnauthorized)
	case ping(request.Header):
		r.count("ignored")
		_, _ = io.WriteString(w, "pong\n")
	default:
		log.V(1).Info("took a push notification")
		r.count("accepted")
		r.wake(key)
		w.WriteHeader(http.StatusAccepted)
		_, _ = io.WriteString(w, "syncing\n")
	}
}

// proven reads the whole body, and says why a notification proves nothing.
func proven(header http.Header, body io.Reader, token []byte) error {
	if given := header.Get(headerGitLab); given != "" {
		if subtle.ConstantTimeCompare([]byte(given), token) != 1 {
			return errors.New(headerGitLab + " is not the token")
		}
		return nil
	}
	given, name := signature(header)
	if given == "" {
		return fmt.Errorf("no header %s, %s, %s, %s or %s", headerGitHub, headerGitea, headerForgejo, headerGitLab, headerGeneric)
	}
	sum, err := hex.DecodeString(given)
	if err != nil {
		return fmt.Errorf("%s is not a hexadecimal HMAC-SHA256", name)
	}
	mac := hmac.New(sha256.New, token)
	if _, err := io.Copy(mac, body); err != nil {
		return fmt.Errorf("reading the notification: %w", err)
	}
	if !hmac.Equal(sum, mac.Sum(nil)) {
		return fmt.Errorf("%s does not fit the notification", name)
	}
	return nil
}

// signature is the HMAC that a sender gave, and the header that it came in.
func signature(header http.Header) (given, name string) {
	for _, name := range []string{headerGitHub, headerGeneric} {
		if value := header.Get(name); value != "" {
			return strings.TrimPrefix(value, "sha256="), name
		}
	}
	for _, name := range []string{headerGitea, headerForgejo} {
		if value := header.Get(name); value != "" {
			return value, name
		}
	}
	return "", ""
}

// ping: a sender tries whether somebody listens.
func ping(header http.Header) bool { return header.Get("X-GitHub-Event") == "ping" }
