package audit

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
)

// foreignError is a body that is no EventList.
type foreignError struct{ why string }

func (e *foreignError) Error() string {
	return "a batch that is no EventList of audit.k8s.io/v1: " + e.why
}

// eventsOf reads an EventList, one event at a time. The bytes are each's alone until it
// returns; an error of each ends the reading.
func eventsOf(body io.Reader, each func(raw []byte) error) error {
	d := json.NewDecoder(body)
	if err := delimiter(d, '{'); err != nil {
		return err
	}
	listed := false
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return broken(err)
		}
		switch key {
		case "items":
			if listed {
				return &foreignError{"items stand twice"}
			}
			listed = true
			if err := items(d, each); err != nil {
				return err
			}
		case "kind", "apiVersion":
			if err := named(d, key.(string)); err != nil {
				return err
			}
		default:
			var ignored json.RawMessage
			if err := d.Decode(&ignored); err != nil {
				return broken(err)
			}
		}
	}
	if err := delimiter(d, '}'); err != nil {
		return err
	}
	if !listed {
		return &foreignError{"no items"}
	}
	return nil
}

func items(d *json.Decoder, each func([]byte) error) error {
	first, err := d.Token()
	switch {
	case err != nil:
		return broken(err)
	case first == nil:
		return nil
	case first != json.Delim('['):
		return &foreignError{"items are no list"}
	}
	var raw json.RawMessage
	for d.More() {
		if err := d.Decode(&raw); err != nil {
			return broken(err)
		}
		if err := each(raw); err != nil {
			return err
		}
	}
	return delimiter(d, ']')
}

// named checks kind or apiVersion.
func named(d *json.Decoder, field string) error {
	want := map[string]string{"kind": "EventList", "apiVersion": "audit.k8s.io/v1"}[field]
	var got string
	if err := d.Decode(&got); err != nil {
		return broken(err)
	}
	if got != want {
		return &foreignError{"another " + field}
	}
	return nil
}

func delimiter(d *json.Decoder, want json.Delim) error {
	got, err := d.Token()
	if err != nil {
		return broken(err)
	}
	if got != want {
		return &foreignError{"not a JSON object"}
	}
	return nil
}

// broken tells a body that can't be read, which may be sent again, from one that is no
// JSON, which will be the same then.
func broken(err error) error {
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
	case errors.As(err, &syntax), errors.As(err, &kind), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return &foreignError{"not JSON"}
	}
	return fmt.Errorf("reading a batch of audit events: %w", err)
}
