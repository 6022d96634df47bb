package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/gitlatch/gitlatch/test/gitlatch"
)

// channel is a chat channel with an incoming webhook of Slack's shape. It keeps what it is told.
type channel struct {
	server *http.Server
	served chan error
	url    string

	mu    sync.Mutex
	texts []string
}

func openChannel() (*channel, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("opening a channel: %w", err)
	}
	c := &channel{url: "http://" + listener.Addr().String() + "/services/demo", served: make(chan error, 1)}
	c.server = &http.Server{Handler: c, ReadTimeout: 10 * time.Second}
	go func() { c.served <- c.server.Serve(listener) }()
	return c, nil
}

func (c *channel) close() error {
	err := c.server.Close()
	if served := <-c.served; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	return err
}

// ServeHTTP takes one message.
func (c *channel) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var message struct {
		Text string `json:"text"`
	}
	if err := json.NewDecoder(io.LimitReader(r.Body, 1<<20)).Decode(&message); err != nil || message.Text == "" {
		http.Error(w, "invalid_payload", http.StatusBadRequest)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.texts = append(c.texts, message.Text)
	_, _ = io.WriteString(w, "ok") // who went away is sent to again
}

// about is the first message that has all parts in it; "": there is none yet.
func (c *channel) about(parts ...string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, text := range c.texts {
		if hasAll(text, parts) == nil {
			return text
		}
	}
	return ""
}

// told waits for a message with all of the parts in it, and shows it.
func (d *demo) told(ctx context.Context, parts ...string) (text string, err error) {
	err = gitlatch.WaitFor(ctx, 10*time.Second, "the channel to be told", func(context.Context) error {
		if text = d.channel.about(parts...); text == "" {
			return fmt.Errorf("no message has %q", parts)
		}
		return nil
	})
	if err == nil {
		d.out.answer(text)
	}
	return text, err
}

// receivers writes who is told, as the Secret gitlatch-receivers has it, and returns the path.
func (d *demo) receivers() (string, error) {
	path := filepath.Join(d.dir, "receivers.yaml")
	text := "cluster: demo\nreceivers:\n- {name: channel, type: slack, url: " + d.channel.url + "}\n"
	return path, os.WriteFile(path, []byte(text), 0o600)
}

// hasAll says which part is missing.
func hasAll(text string, parts []string) error {
	for _, part := range parts {
		if !strings.Contains(text, part) {
			return fmt.Errorf("it doesn't say %q", part)
		}
	}
	return nil
}
