package webhook

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"sync"
	"time"
)

var (
	errMethod      = errors.New("reading the review: not an HTTP POST")
	errContentType = errors.New("reading the review: the content type is not application/json")
	errTooLong     = fmt.Errorf("reading the review: longer than %d MiB", MaxBody>>20)
	errStalled     = errors.New("reading the review: it did not come in time")
	errCut         = errors.New("reading the review: the connection ended within it")
)

// buffers keeps the short bodies' buffers, so that reading an ordinary review
// allocates nothing.
type buffers struct{ pool sync.Pool }

func (b *buffers) get() *[]byte {
	if buf, ok := b.pool.Get().(*[]byte); ok {
		return buf
	}
	buf := make([]byte, prefixLength)
	return &buf
}

func (b *buffers) put(buf *[]byte) { b.pool.Put(buf) }

// body is what was read of a request: all of it, or as much as came.
type body struct {
	bytes []byte
	done  []func()
}

// release gives buffers and budget back; the bytes are not used afterwards.
func (b *body) release() {
	for _, f := range b.done {
		f()
	}
	b.bytes, b.done = nil, nil
}

// readBody reads the review, the beginning of it where the request has no place
// (entered is false) and is to be shed. On an error the body holds what came, which may be
// enough to know whom to answer.
func (h *Handler) readBody(ctx context.Context, w http.ResponseWriter, r *http.Request, by time.Time, entered bool) (*body, error) {
	// A client that stalls must not keep us past the API server's patience. Where
	// the connection has no deadlines (a recorder in a test) there is none to set.
	if err := http.NewResponseController(w).SetReadDeadline(by); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return &body{}, fmt.Errorf("setting a deadline for the review: %w", err)
	}
	buf := h.buffers.get()
	b := &body{done: []func(){func() { h.buffers.put(buf) }}}
	n, err := io.ReadFull(r.Body, *buf)
	b.bytes = (*buf)[:n]
	switch {
	case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
		// io.ReadFull says so at the end of a short body; a body that is shorter than
		// it was announced says so too.
		if r.ContentLength > int64(n) {
			return b, errCut
		}
		if err := checkHead(r); err != nil {
			return b, err
		}
		if !entered {
			return b, errShed
		}
		return b, nil
	case err != nil:
		return b, readError(err)
	}
	if err := checkHead(r); err != nil {
		return b, err
	}
	if !entered {
		return b, errShed
	}
	ctx, cancel := context.WithDeadline(ctx, by)
	defer cancel()
	return b, h.readRest(ctx, r, b)
}

// readRest reads on where a body is longer than the prefix.
func (h *Handler) readRest(ctx context.Context, r *http.Request, b *body) error {
	length := r.ContentLength
	if length > MaxBody {
		return errTooLong
	}
	if length < 0 {
		length = MaxBody
	}
	release, err := h.Budget.holdBody(ctx, length)
	if err != nil {
		return err
	}
	b.done = append(b.done, release)
	prefix := b.bytes
	if r.ContentLength >= 0 {
		whole := make([]byte, length)
		n, err := io.ReadFull(r.Body, whole[copy(whole, prefix):])
		b.bytes = whole[:len(prefix)+n]
		return readError(err)
	}
	rest, err := io.ReadAll(io.LimitReader(r.Body, MaxBody-int64(len(prefix))+1))
	b.bytes = append(prefix[:len(prefix):len(prefix)], rest...)
	if len(b.bytes) > MaxBody {
		return errTooLong
	}
	return readError(err)
}

// checkHead looks at the method and content type once a part of the body is
// read: the answer to a wrong one carries a uid as well.
func checkHead(r *http.Request) error {
	if r.Method != http.MethodPost {
		return errMethod
	}
	if t, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || t != "application/json" {
		return errContentType
	}
	return nil
}

// readError gives a reading error one of our names.
func readError(err error) error {
	var timeout interface{ Timeout() bool }
	switch {
	case err == nil:
		return nil
	case errors.As(err, &timeout) && timeout.Timeout():
		return errStalled
	default:
		return errCut
	}
}

// drain reads on where a review was not read to its end. Over HTTP/1, which is how
// an API server speaks to a Service, it would else go on sending into a connection
// that is closed under it, and lose the answer: under the failure policy Ignore the
// write would pass. HTTP/2 ends a stream with the answer.
func (c *call) drain() {
	if !c.unread || c.r.ProtoMajor != 1 {
		return
	}
	// Each reading waits for a moment only: a client that stalls is answered.
	connection, last := http.NewResponseController(c.w), c.start.Add(drainBy)
	for buf := make([]byte, 32<<10); ; {
		next := time.Now().Add(drainPause)
		if next.After(last) {
			next = last
		}
		if connection.SetReadDeadline(next) != nil {
			return
		}
		if _, err := c.r.Body.Read(buf); err != nil {
			return
		}
	}
}
