package e2e

import (
	"errors"
	"io"
	"maps"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"

	auditv1 "k8s.io/apiserver/pkg/apis/audit/v1"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/reporter/audit"
)

// auditMark is where the API server's audit log ends now.
func auditMark(t *testing.T) int64 {
	t.Helper()
	info, err := os.Stat(plane.AuditLog())
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}

// auditedSince returns the writes of a user that the API server has logged since the mark: an event is written before
// the answer.
func auditedSince(t *testing.T, mark int64, keep func(*auditv1.Event) bool) []*auditv1.Event {
	t.Helper()
	file, err := os.Open(plane.AuditLog())
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if _, err := file.Seek(mark, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	var out []*auditv1.Event
	reader := audit.NewReader(file)
	for {
		entry, err := reader.Next()
		var problem *audit.Problem
		switch {
		case errors.Is(err, io.EOF), errors.As(err, &problem) && problem.Truncated:
			return out // somebody else's line is being written
		case err != nil:
			t.Fatal(err)
		}
		e := entry.Event
		// A CONNECT has a verb of reading.
		reads := e.Verb == "get" || e.Verb == "list" || e.Verb == "watch"
		if e.Stage == auditv1.StageResponseComplete && e.ObjectRef != nil &&
			(!reads || e.ObjectRef.Subresource == "exec" || e.ObjectRef.Subresource == "proxy") && keep(e) {
			out = append(out, e)
		}
	}
}

// newPerson is one more of group devs, or of the groups that are named. Whoever is denied much has records that are
// folded into one: a test that looks for each has people of its own.
func newPerson(t *testing.T, name string, groups ...string) string {
	t.Helper()
	if len(groups) == 0 {
		groups = []string{"devs"}
	}
	name = here.Named(name)
	if err := plane.Person(name, groups...); err != nil {
		t.Fatal(err)
	}
	return name
}

// by selects the events of one user; with --as, the one whom they pose as.
func by(user string) func(*auditv1.Event) bool {
	return func(e *auditv1.Event) bool {
		if e.ImpersonatedUser != nil {
			return e.ImpersonatedUser.Username == user
		}
		return e.User.Username == user
	}
}

// said returns what one of the webhooks answered to this request, by the key of its audit annotations; empty where it
// was not called.
func said(e *auditv1.Event, webhook string) map[string]string {
	out := map[string]string{}
	for key, value := range e.Annotations {
		if name, found := strings.CutPrefix(key, webhook+"/"); found {
			out[name] = value
		}
	}
	return out
}

// calledOut says whether the API server asked Gitlatch about the request.
func calledOut(e *auditv1.Event) bool {
	return len(said(e, v1alpha1.GateName)) > 0 || len(said(e, v1alpha1.FinalName)) > 0
}

// act is the verb and the resource of an event: "update deployments/scale".
func act(e *auditv1.Event) string {
	out := e.Verb + " " + e.ObjectRef.Resource
	if e.ObjectRef.Subresource != "" {
		out += "/" + e.ObjectRef.Subresource
	}
	return out
}

// decisions adds up what all replicas count in gitlatch_decisions_total, by its labels, and what they could not decide.
func decisions(t *testing.T) map[string]float64 {
	t.Helper()
	out := map[string]float64{}
	for i := range gate.Replicas() {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, gate.MetricsURL(i), nil)
		if err != nil {
			t.Fatal(err)
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(response.Body)
		_ = response.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		maps.Copy(out, countersOf(string(text), out))
	}
	return out
}

func countersOf(text string, sum map[string]float64) map[string]float64 {
	out := map[string]float64{}
	for line := range strings.Lines(text) {
		series, value, _ := strings.Cut(strings.TrimSpace(line), "} ")
		if !strings.HasPrefix(series, "gitlatch_decisions_total{") &&
			!strings.HasPrefix(series, "gitlatch_webhook_undecided_total{") {
			continue
		}
		n, err := strconv.ParseFloat(value, 64)
		if err != nil {
			continue
		}
		out[series] = sum[series] + n
	}
	return out
}
