package audit

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
)

// chunkSize is how much of a log is handed to a worker at a time.
const chunkSize = 1 << 20

// chunk is a run of whole lines.
type chunk struct {
	data []byte
	// first is the number of its first line.
	first int
	// open says that the input ended without a newline.
	open bool
	// long says that it stands for one line that is longer than is read.
	long bool
	out  []sifted
	done chan struct{}
}

// chunks cuts a log into chunks.
type chunks struct {
	buffered *bufio.Reader
	source   io.Reader // nil: not looked at yet
	limit    int       // of a line
	free     chan []byte
	rest     []byte // the beginning of the next chunk
	line     int    // its number
	bytes    atomic.Int64
	ended    error
	short    bool // the compressed log ends in the middle
}

// newChunks reads a log, which may be compressed with gzip.
func newChunks(source io.Reader, free int) *chunks {
	return &chunks{buffered: bufio.NewReaderSize(source, 256<<10), limit: MaxLine, free: make(chan []byte, free), line: 1}
}

// open looks at how the log begins.
func (c *chunks) open() error {
	magic, err := c.buffered.Peek(2)
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("reading line 1: %w", err)
	}
	c.source = c.buffered
	if bytes.Equal(magic, []byte{0x1f, 0x8b}) {
		if c.source, err = gzip.NewReader(c.buffered); err != nil {
			return fmt.Errorf("reading a compressed log: %w", err)
		}
	}
	return nil
}

// next returns the next chunk; nil at the end. A compressed log that ends in the middle
// ends like one that is not compressed: what was in it is read.
func (c *chunks) next() (*chunk, error) {
	if c.source == nil {
		if err := c.open(); err != nil {
			return nil, err
		}
	}
	buffer := append(c.buffer(), c.rest...)
	whole, long := bytes.IndexByte(c.rest, '\n') >= 0, false
	c.rest = nil
	for c.ended == nil && !(whole && len(buffer) >= chunkSize) {
		if !whole && len(buffer) > c.limit {
			long, buffer = true, buffer[:0]
		}
		had := len(buffer)
		buffer = c.fill(buffer)
		n := bytes.IndexByte(buffer[had:], '\n')
		switch {
		case !long:
			whole = whole || n >= 0
		case n >= 0 || c.ended != nil:
			return c.tooLong(buffer, n), nil
		default:
			buffer = buffer[:0]
		}
	}
	if c.ended != nil && !errors.Is(c.ended, io.EOF) {
		return nil, fmt.Errorf("reading behind line %d: %w", c.line-1+bytes.Count(buffer, []byte("\n")), c.ended)
	}
	end := bytes.LastIndexByte(buffer, '\n') + 1
	if c.ended != nil {
		end = len(buffer)
	}
	if end == 0 {
		return nil, nil
	}
	c.rest = bytes.Clone(buffer[end:])
	out := &chunk{data: buffer[:end], first: c.line, open: buffer[end-1] != '\n', done: make(chan struct{})}
	c.line += bytes.Count(out.data, []byte("\n"))
	return out, nil
}

// tooLong stands for a line over the limit; n is where it ends in the buffer, or -1.
func (c *chunks) tooLong(buffer []byte, n int) *chunk {
	if n >= 0 {
		c.rest = bytes.Clone(buffer[n+1:])
	}
	out := &chunk{first: c.line, long: true, done: make(chan struct{})}
	c.line++
	return out
}

// fill reads more behind what is there.
func (c *chunks) fill(buffer []byte) []byte {
	if cap(buffer)-len(buffer) < 64<<10 {
		grown := make([]byte, len(buffer), 2*cap(buffer)+chunkSize)
		copy(grown, buffer)
		buffer = grown
	}
	n, err := c.source.Read(buffer[len(buffer):cap(buffer)])
	c.bytes.Add(int64(n))
	if errors.Is(err, io.ErrUnexpectedEOF) {
		c.short, err = true, io.EOF
	}
	c.ended = err
	return buffer[:len(buffer)+n]
}

func (c *chunks) buffer() []byte {
	select {
	case b := <-c.free:
		return b[:0]
	default:
		return make([]byte, 0, chunkSize+chunkSize/2)
	}
}

// giveBack lets a chunk's memory be used again, unless a long line made it grow.
func (c *chunks) giveBack(k *chunk) {
	if k.data == nil || cap(k.data) > 4*chunkSize {
		return
	}
	select {
	case c.free <- k.data:
	default:
	}
}

// sift has a chunk's lines sifted.
func (k *chunk) sift(s *sifter) {
	defer close(k.done)
	if k.long {
		k.out = append(k.out, sifted{line: k.first, problem: &Problem{Line: k.first, Reason: fmt.Sprintf("longer than %d bytes", MaxLine)}})
		return
	}
	data, number := k.data, k.first
	for len(data) > 0 {
		line, rest, ended := bytes.Cut(data, []byte("\n"))
		if !blank(line) {
			k.out = append(k.out, s.sift(line, number, ended))
		}
		data = rest
		number++
	}
}

// pump reads the log into chunks, has them sifted by so many workers, and hands them to
// take in the order of the log. It returns when the log ends or take fails; a read that
// hangs, as from a terminal, does not hold it up once ctx ends.
func pump(ctx context.Context, c *chunks, court *court, workers int, take func(*chunk) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	work, order := make(chan *chunk), make(chan *chunk, workers)
	failed := make(chan error, 1)
	go func() {
		defer close(order)
		defer close(work)
		for {
			k, err := c.next()
			if err != nil || k == nil {
				failed <- err
				return
			}
			for _, to := range []chan *chunk{order, work} {
				select {
				case to <- k:
				case <-ctx.Done():
					failed <- ctx.Err()
					return
				}
			}
		}
	}()
	var all sync.WaitGroup
	for range workers {
		all.Go(func() {
			s := newSifter(court)
			for k := range work {
				k.sift(s)
			}
		})
	}
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case k, more := <-order:
			if !more {
				return <-failed
			}
			select {
			case <-k.done:
			case <-ctx.Done():
				return ctx.Err()
			}
			if err := take(k); err != nil {
				return err
			}
			c.giveBack(k)
		}
	}
}
