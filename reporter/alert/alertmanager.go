package alert

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"time"
)

// How long an alert stands in Alertmanager. Its resolve_timeout plays no part: we send
// endsAt.
const (
	// holdRecord is for what happened once: longer than usual group intervals, so that
	// it is announced before it is taken back.
	holdRecord = time.Hour
	// holdGap is for a gap, which is sent again each resendGap until it ends.
	holdGap   = 5 * time.Minute
	resendGap = time.Minute
)

// postableAlert is Alertmanager's (api/v2/openapi.yaml in prometheus/alertmanager).
type postableAlert struct {
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"`
	StartsAt    time.Time         `json:"startsAt"`
	EndsAt      time.Time         `json:"endsAt"`
}

// alertmanagerMessage sends each record as an alert of its own. The record is a label:
// alerts of the same labels are one to Alertmanager, and bob's would go unannounced
// while alice's stands.
func alertmanagerMessage(notices []notice, now time.Time) (message, error) {
	alerts, ids := make([]postableAlert, 0, len(notices)), make([]string, 0, len(notices))
	for i := range notices {
		alerts = append(alerts, postable(&notices[i], now))
		ids = append(ids, notices[i].id)
	}
	id := ids[0]
	if len(ids) > 1 {
		sum := sha256.Sum256([]byte(strings.Join(ids, "\n")))
		id = "batch-" + hex.EncodeToString(sum[:16])
	}
	return encoded(id, "application/json", alerts)
}

func postable(n *notice, now time.Time) postableAlert {
	a := postableAlert{
		Labels: map[string]string{
			"alertname": n.alert, "severity": n.severity, "outcome": string(n.outcome), "record": n.record,
		},
		Annotations: map[string]string{"summary": n.title, "description": n.text(), "review": n.review},
		StartsAt:    n.began.UTC(),
		EndsAt:      endOf(n, now).UTC(),
	}
	for name, value := range map[string]string{"namespace": n.namespace, "cluster": n.cluster, "reason": n.reason} {
		if value != "" {
			a.Labels[name] = value
		}
	}
	for name, value := range map[string]string{"user": n.user, "target": n.target} {
		if value != "" {
			a.Annotations[name] = value
		}
	}
	if a.StartsAt.After(a.EndsAt) { // Alertmanager refuses it
		a.StartsAt = a.EndsAt
	}
	return a
}

// endOf: an alert that is over when it is first sent is never announced, so a gap that
// ended before anybody was told of it stands for a while.
func endOf(n *notice, now time.Time) time.Time {
	switch {
	case !n.gap:
		return now.Add(holdRecord)
	case n.ended.IsZero():
		return now.Add(holdGap)
	case n.firstTold:
		return n.ended
	}
	return now.Add(holdRecord)
}

// text is all of the lines.
func (n *notice) text() string {
	var b strings.Builder
	for i, line := range n.lines {
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(line.label + ": " + line.text)
	}
	return b.String()
}
