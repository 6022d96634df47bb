package alert

import (
	"net/url"
	"strings"
	"time"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

// cloudEventType is the media type of structured mode (HTTP protocol binding of
// CloudEvents 1.0, section 3.2).
const cloudEventType = "application/cloudevents+json; charset=UTF-8"

// event is a CloudEvents 1.0 event in JSON (cloudevents/spec: spec.md and
// formats/json-format.md). Context attributes hold no user: middleware logs them.
type event struct {
	SpecVersion     string `json:"specversion"`
	ID              string `json:"id"`
	Source          string `json:"source"`
	Type            string `json:"type"`
	Subject         string `json:"subject,omitempty"`
	Time            string `json:"time"`
	DataContentType string `json:"datacontenttype"`
	Data            any    `json:"data"`
}

// eventData says the same as the text, in pieces.
type eventData struct {
	Record    string            `json:"record"`
	Outcome   v1alpha1.Outcome  `json:"outcome"`
	Reason    string            `json:"reason,omitempty"`
	Severity  string            `json:"severity"`
	Cluster   string            `json:"cluster,omitempty"`
	User      string            `json:"user,omitempty"`
	Target    string            `json:"target,omitempty"`
	Namespace string            `json:"namespace,omitempty"`
	Began     string            `json:"began"`
	Ended     string            `json:"ended,omitempty"`
	Summary   string            `json:"summary"`
	Details   map[string]string `json:"details"`
	Review    string            `json:"review"`
}

type digestData struct {
	Count    int                      `json:"count"`
	Outcomes map[v1alpha1.Outcome]int `json:"outcomes"`
	Since    string                   `json:"since"`
	Cluster  string                   `json:"cluster,omitempty"`
	Records  []string                 `json:"records"`
	Summary  string                   `json:"summary"`
	Examples []string                 `json:"examples"`
	Review   string                   `json:"review"`
}

// cloudEvent is one record: source and id are the same however often it is sent.
func cloudEvent(n *notice) (message, error) {
	kind := strings.ToLower(string(n.outcome))
	data := eventData{
		Record: n.record, Outcome: n.outcome, Reason: n.reason, Severity: n.severity, Cluster: n.cluster, User: n.user,
		Target: n.target, Namespace: n.namespace, Began: stamp(n.began), Summary: n.title, Review: n.review, Details: map[string]string{},
	}
	for _, line := range n.lines {
		data.Details[line.label] = line.text
	}
	at := n.began
	if n.gap {
		kind = "gap"
	}
	if n.gap && !n.ended.IsZero() {
		data.Ended = stamp(n.ended)
	}
	if n.firstTold {
		kind, at = "gap.ended", n.ended
	}
	return encoded(n.id, cloudEventType, event{
		SpecVersion: "1.0", ID: n.id, Source: source(n.cluster), Type: "dev.gitlatch.record." + kind, Subject: n.record,
		Time: at.UTC().Format(time.RFC3339Nano), DataContentType: "application/json", Data: data,
	})
}

// cloudEventDigest names all of its records, so that a receiver can read each.
func cloudEventDigest(d *digest) (message, error) {
	data := digestData{
		Count: len(d.items), Outcomes: d.counts(), Since: stamp(d.since()), Cluster: d.cluster,
		Summary: d.title(), Examples: d.examples(), Review: d.review(),
	}
	for _, i := range d.items {
		data.Records = append(data.Records, i.name)
	}
	return encoded(d.id, cloudEventType, event{
		SpecVersion: "1.0", ID: d.id, Source: source(d.cluster), Type: "dev.gitlatch.records.digest",
		Time: d.since().UTC().Format(time.RFC3339Nano), DataContentType: "application/json", Data: data,
	})
}

// source is a URI-reference: a record's uid is unique in the world, so a cluster without
// a name is no trouble.
func source(cluster string) string {
	if cluster == "" {
		return "/gitlatch"
	}
	return "/gitlatch/clusters/" + url.PathEscape(cluster)
}
