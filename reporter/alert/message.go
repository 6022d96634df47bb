package alert

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"
)

// message is one request's body.
type message struct {
	id          string // goes along as Idempotency-Key
	contentType string
	body        []byte
}

// idHeader lets a receiver tell a repetition, whatever the language
// (draft-ietf-httpapi-idempotency-key-header).
const idHeader = "Idempotency-Key"

// compose says notices, or a digest, in the language of a receiver. Only Alertmanager
// is told of several at once.
func compose(language Type, notices []notice, now time.Time) (message, error) {
	switch language {
	case Alertmanager:
		return alertmanagerMessage(notices, now)
	case Slack:
		return slackMessage(&notices[0])
	case CloudEvents:
		return cloudEvent(&notices[0])
	}
	return message{}, fmt.Errorf("composing a notification: no language %q", language)
}

func composeDigest(language Type, d *digest) (message, error) {
	if language == CloudEvents {
		return cloudEventDigest(d)
	}
	return slackDigest(d)
}

func encoded(id, contentType string, body any) (message, error) {
	var buffer bytes.Buffer
	encoder := json.NewEncoder(&buffer)
	encoder.SetEscapeHTML(false) // people read it
	if err := encoder.Encode(body); err != nil {
		return message{}, fmt.Errorf("encoding notification %s: %w", id, err)
	}
	return message{id: id, contentType: contentType, body: bytes.TrimSpace(buffer.Bytes())}, nil
}
