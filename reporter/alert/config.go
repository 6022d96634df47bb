package alert

import (
	"time"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

// Type is the language that a receiver speaks.
type Type string

const (
	// Alertmanager: POST of alerts to /api/v2/alerts.
	Alertmanager Type = "alertmanager"
	// Slack: POST of {"text", "blocks"}, as Slack's incoming webhooks take it, and those
	// of Mattermost and others that take its shape.
	Slack Type = "slack"
	// CloudEvents: POST of one CloudEvents 1.0 event in structured JSON.
	CloudEvents Type = "cloudevents"
)

// Denials says which denied attempts a receiver is told of.
type Denials string

const (
	// DeniedAll: each record of a denial.
	DeniedAll Denials = "All"
	// DeniedNewRequester: the first of a requester of whom none was denied in the day
	// before.
	DeniedNewRequester Denials = "NewRequester"
)

// Config is the file of receivers.
type Config struct {
	// Cluster is the name of this cluster in what is sent. Left out: none is sent.
	Cluster string
	// Receivers are told. At most 16.
	Receivers []Receiver
}

// Receiver is one place that is told of records.
type Receiver struct {
	// Name of the receiver in status.notified, metrics and logs; a DNS label.
	Name string
	// Type is the language that it speaks.
	Type Type
	// URL, or URLFile, which holds it: one of them.
	URL, URLFile string
	// Headers are added to each request.
	Headers []Header
	// BearerTokenFile holds the token of an Authorization header. Left out: none.
	BearerTokenFile string
	// CAFile holds who signs the receiver's certificate, as PEM. Left out: the
	// system's.
	CAFile string
	// CertFile and KeyFile hold a client certificate, as PEM. Left out: none.
	CertFile, KeyFile string
	// Outcomes that it is told of. Left out: all but Drift.
	Outcomes []v1alpha1.Outcome
	// Namespaces of the targets that it is told of. Left out: all, and what has none. A
	// bypass or a tampering that has no namespace is told to everybody.
	Namespaces []string
	// Denied says which denials. Left out: All.
	Denied Denials
	// PerMinute bounds the notifications; what comes faster is told together. Left out:
	// 30.
	PerMinute int
	// Since is from when on it is told. Left out: from when it was first in the file.
	Since time.Time
}

// Header of a request, whose value may be secret.
type Header struct {
	Name string
	// Value, or ValueFile, which holds it: one of them.
	Value, ValueFile string
}

const (
	maxReceivers     = 16
	defaultPerMinute = 30
	mostPerMinute    = 600
	maxConfig        = 1 << 20
)

// outcomesByDefault leaves Drift out: it is corrected within a second, and who caused
// it is not always known.
func outcomesByDefault() []v1alpha1.Outcome {
	return []v1alpha1.Outcome{v1alpha1.OutcomeDenied, v1alpha1.OutcomeFlagged, v1alpha1.OutcomeBreakGlass,
		v1alpha1.OutcomeBypass, v1alpha1.OutcomeTampered}
}

func (r *Receiver) setDefaults() {
	if r.Outcomes == nil {
		r.Outcomes = outcomesByDefault()
	}
	if r.Denied == "" {
		r.Denied = DeniedAll
	}
	if r.PerMinute == 0 {
		r.PerMinute = defaultPerMinute
	}
}
