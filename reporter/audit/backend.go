package audit

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"

	logf "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/gitlatch/gitlatch/policy"
)

// DefaultMaxBody is how large a batch may be: the API server cuts its own at 10 MiB,
// with --audit-webhook-truncate-enabled.
const DefaultMaxBody = 32 << 20

// Backend takes the audit log live: it is the handler behind the API server's audit
// webhook backend (--audit-webhook-config-file), which posts EventLists of
// audit.k8s.io/v1. It answers 200 once every bypass of the batch is on record, and 500
// where one could not be recorded: then the API server sends the batch again, which
// makes no second record of anything. Its memory is that of the largest event, and of
// the objects that are remembered.
//
// Who may not be told from the API server is refused: whoever can post could accuse
// anybody. Its fields are set before the first request.
type Backend struct {
	// Policies as they are now.
	Policies func(ctx context.Context) ([]*policy.Policy, error)
	Install  policy.Installation
	// Labels looks up a namespace that the log does not show; see [Log.Labels].
	Labels   func(namespace string) map[string]string
	Recorder *Recorder
	Metrics  *Metrics // nil: nothing is counted
	// Token that the API server sends as bearer token, read for each batch. Left out:
	// a client certificate is asked for, which the server must have verified.
	Token func() (string, error)
	// MaxBody is how many bytes a batch may have. Left out: [DefaultMaxBody].
	MaxBody int64
	// Remember is how many bytes of objects are kept. Left out: 16 MiB.
	Remember int

	mu         sync.Mutex // guards translator
	translator *Translator
}

// liveMemory is less than for a file: the writes of one object come close together.
const liveMemory = 16 << 20

func (b *Backend) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	code, err := b.serve(w, r)
	b.Metrics.batch(code)
	if err == nil {
		w.WriteHeader(code)
		return
	}
	logf.FromContext(r.Context()).Info("a batch of audit events was refused", "code", code, "error", err.Error())
	http.Error(w, http.StatusText(code), code)
}

func (b *Backend) serve(w http.ResponseWriter, r *http.Request) (code int, err error) {
	if r.Method != http.MethodPost {
		return http.StatusMethodNotAllowed, fmt.Errorf("a request with method %s", r.Method)
	}
	if err := b.authenticate(r); err != nil {
		return http.StatusUnauthorized, err
	}
	limit := b.MaxBody
	if limit == 0 {
		limit = DefaultMaxBody
	}
	policies, err := b.Policies(r.Context())
	if err != nil {
		return http.StatusInternalServerError, fmt.Errorf("reading the policies: %w", err)
	}
	court, err := newCourt(policies, b.Install, b.Labels)
	if err != nil {
		return http.StatusInternalServerError, err
	}
	err = eventsOf(http.MaxBytesReader(w, r.Body, limit), newBatch(r.Context(), b, court).take)
	var large *http.MaxBytesError
	var foreign *foreignError
	switch {
	case err == nil:
		return http.StatusOK, nil
	case errors.As(err, &large):
		return http.StatusRequestEntityTooLarge, err
	case errors.As(err, &foreign):
		return http.StatusBadRequest, err
	}
	return http.StatusInternalServerError, err
}

// authenticate tells the API server from anybody else.
func (b *Backend) authenticate(r *http.Request) error {
	if b.Token == nil {
		if r.TLS == nil || len(r.TLS.VerifiedChains) == 0 {
			return errors.New("a request without a client certificate")
		}
		return nil
	}
	want, err := b.Token()
	if err != nil {
		return fmt.Errorf("reading the token: %w", err)
	}
	sent, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	x, y := sha256.Sum256([]byte(sent)), sha256.Sum256([]byte(want)) // of one length, so that it does not show
	if want == "" || subtle.ConstantTimeCompare(x[:], y[:]) != 1 {
		return errors.New("a request without the token")
	}
	return nil
}

// batch is one request under way.
type batch struct {
	*Backend
	ctx    context.Context
	sifter *sifter
	pass   *pass
	number int
	held   []Finding
}

func newBatch(ctx context.Context, b *Backend, c *court) *batch {
	m := &batch{Backend: b, ctx: ctx, sifter: newSifter(c)}
	m.sifter.listed = true
	bad := func(p *Problem) {
		logf.FromContext(ctx).Info("an audit event can't be read", "item", p.Line, "reason", p.Reason)
	}
	m.pass = &pass{Log: &Log{Install: b.Install, Problem: bad}, court: c, found: func(f Finding) error {
		m.held = append(m.held, f)
		return nil
	}}
	return m
}

// take judges one event, and records what it finds.
func (m *batch) take(raw []byte) error {
	m.number++
	s := m.sifter.sift(raw, m.number, true)
	if err := m.judge(&s); err != nil {
		return err
	}
	m.Metrics.read(&m.pass.stats)
	m.pass.stats = LogStats{}
	for i := range m.held {
		f := &m.held[i]
		if f.Explained() {
			continue
		}
		name, isNew, err := m.Recorder.Record(m.ctx, f)
		if err != nil {
			return err
		}
		if isNew {
			m.Metrics.found(f)
			logf.FromContext(m.ctx).Info("bypass found", "record", name, "reason", f.Reason, "user", f.Requester.Username, "message", f.Message)
		}
	}
	m.held = m.held[:0]
	return nil
}

// judge holds what is remembered of earlier events: batches may come side by side.
func (m *batch) judge(s *sifted) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.translator == nil {
		remember := m.Remember
		if remember == 0 {
			remember = liveMemory
		}
		m.translator = NewTranslator(m.Install, remember)
	}
	m.pass.translator = m.translator
	return m.pass.takeOne(s)
}
