package main

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/reporter/record"
)

// What the API server logs of one write by alice that was admitted and recorded.
const logged = `{"stage":"ResponseComplete","requestURI":"/api/v1/namespaces/chaos/configmaps/web","verb":"patch",` +
	`"user":{"username":"alice","groups":["devs"]},"objectRef":{"resource":"configmaps","namespace":"chaos","name":"web","apiVersion":"v1"},` +
	`"responseStatus":{"code":200},"requestReceivedTimestamp":"2026-01-01T12:00:00.500000Z",` +
	`"annotations":{"gate.gitlatch.dev/decision":"flag","gate.gitlatch.dev/class":"break-glass","gate.gitlatch.dev/record":"cr-known"}}`

func TestWhatWentPastTheGateIsFoundInTheAuditLog(t *testing.T) {
	noon := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	known := &onRecord{records: map[string]bool{"cr-known": true}, windows: []record.Window{{
		Record: "cr-known", User: "oncall", Scope: v1alpha1.WindowObject, Opened: noon, Until: noon.Add(time.Minute),
		Place: record.Place{Resource: "configmaps", Namespace: "chaos", Name: "web"},
	}}}
	const (
		patch, alice  = `"patch"`, `{"username":"alice","groups":["devs"]}`
		annotated     = `"gate.gitlatch.dev/decision":"flag","gate.gitlatch.dev/class":"break-glass","gate.gitlatch.dev/record":"cr-known"`
		failedOpen    = `"failed-open.mutation.webhook.admission.k8s.io/round_0_index_0":"builtin.gate.gitlatch.dev"`
		serviceInAPod = `{"username":"system:serviceaccount:apps:web","extra":{"authentication.kubernetes.io/pod-name":["web-0"]}}`
		service       = `{"username":"system:serviceaccount:ci:pipeline"}`
	)
	for name, c := range map[string]struct {
		change [2]string // of the line: what is replaced by what
		want   string
	}{
		"recorded":                          {},
		"recorded under a name that is not": {[2]string{"cr-known", "cr-lost"}, `the gate says that it is recorded as "cr-lost", and there is no such record`},
		"never asked about":                 {[2]string{annotated, ""}, "the gate was not asked"},
		"failed open":                       {[2]string{annotated, failedOpen}, "the gate did not answer: builtin.gate.gitlatch.dev"},
		"allowed by a rule":                 {[2]string{annotated, `"final.gitlatch.dev/decision":"allow","final.gitlatch.dev/class":"unchanged"`}, ""},
		"taken for ungoverned":              {[2]string{annotated, `"gate.gitlatch.dev/decision":"allow","gate.gitlatch.dev/class":"ungoverned"`}, "the gate said allow (ungoverned) and recorded nothing"},
		"denied":                            {[2]string{`"code":200`, `"code":403`}, ""},
		"a dry run":                         {[2]string{`maps/web"`, `maps/web?dryRun=All"`}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			e := only(t, strings.Replace(logged, c.change[0], c.change[1], 1))
			if got := known.against(e); got != c.want {
				t.Errorf("%q, not %q", got, c.want)
			}
		})
	}
	unasked := strings.Replace(logged, annotated, "", 1)
	for name, c := range map[string]struct {
		change [2]string
		found  bool
	}{
		"a person":                           {[2]string{}, true},
		"a person in somebody else's window": {[2]string{alice, `{"username":"bob"}`}, true},
		"who has a window":                   {[2]string{alice, `{"username":"oncall"}`}, false},
		"a service account without a pod":    {[2]string{alice, service}, true},
		"a service account in its pod":       {[2]string{alice, serviceInAPod}, false},
		"a controller of the control plane":  {[2]string{alice, `{"username":"system:serviceaccount:kube-system:job-controller"}`}, false},
		"the scheduler":                      {[2]string{alice, `{"username":"system:kube-scheduler"}`}, false},
		"a person who is impersonated":       {[2]string{alice, `{"username":"system:admin"},"impersonatedUser":{"username":"alice"}`}, true},
		"a namespace under Warn":             {[2]string{`"namespace":"chaos"`, `"namespace":"chaos-warn"`}, false},
		"a lease":                            {[2]string{`"resource":"configmaps"`, `"resource":"leases","apiGroup":"coordination.k8s.io"`}, false},
		"a read":                             {[2]string{patch, `"get"`}, false},
		"a stage before the answer":          {[2]string{"ResponseComplete", "ResponseStarted"}, false},
	} {
		t.Run("not asked about: "+name, func(t *testing.T) {
			if got := known.against(only(t, strings.Replace(unasked, c.change[0], c.change[1], 1))); (got != "") != c.found {
				t.Errorf("found %q", got)
			}
		})
	}
}

func TestALineThatIsHalfWrittenIsLeftForLater(t *testing.T) {
	n := 0
	if err := eachEvent(t.Context(), strings.NewReader(logged+"\n"+logged[:100]), func(*event) { n++ }); err != nil || n != 1 {
		t.Errorf("%d lines, %v", n, err)
	}
	if err := eachEvent(t.Context(), strings.NewReader(logged[:100]+"\n"), func(*event) { n++ }); err == nil {
		t.Error("a line that is no event was read")
	}
}

func TestAConnectionIsAWriteToo(t *testing.T) {
	e := only(t, strings.Replace(logged, `"patch"`, `"get"`, 1))
	e.ObjectRef.Resource, e.ObjectRef.Subresource, e.ResponseStatus.Code = "pods", "exec", 101
	if !e.stored() {
		t.Error("an exec that was upgraded is taken for a read")
	}
}

func TestAnEventIsToldInALine(t *testing.T) {
	const want = "12:00:00.500 alice patch configmaps/ chaos/web: 200"
	if diff := cmp.Diff(want, only(t, logged).String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// only is the one event of a log.
func only(t *testing.T, line string) *event {
	t.Helper()
	var found *event
	if err := eachEvent(t.Context(), strings.NewReader(line+"\n"), func(e *event) { found = e }); err != nil {
		t.Fatal(err)
	}
	return found
}
