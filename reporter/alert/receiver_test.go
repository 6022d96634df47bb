package alert

import (
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

// got is one request that a receiver was sent.
type got struct {
	id, path, auth, body string
}

// place is somebody else's HTTP server: what it answers is set, what it was sent is kept.
type place struct {
	*httptest.Server
	mu     sync.Mutex
	all    []got
	answer func(w http.ResponseWriter, r *http.Request, body string)
}

func newPlace(t *testing.T) *place {
	t.Helper()
	p := &place{}
	p.Server = httptest.NewServer(p)
	t.Cleanup(p.Close)
	return p
}

func (p *place) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	p.mu.Lock()
	p.all = append(p.all, got{r.Header.Get(idHeader), r.URL.Path, r.Header.Get("Authorization"), string(body)})
	answer := p.answer
	p.mu.Unlock()
	if answer != nil {
		answer(w, r, string(body))
	}
}

func (p *place) answers(answer func(w http.ResponseWriter, r *http.Request, body string)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.answer = answer
}

func status(code int) func(http.ResponseWriter, *http.Request, string) {
	return func(w http.ResponseWriter, _ *http.Request, _ string) { http.Error(w, "no", code) }
}

func (p *place) received() []got {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]got(nil), p.all...)
}

func (p *place) ids() []string {
	var ids []string
	for _, g := range p.received() {
		ids = append(ids, g.id)
	}
	return ids
}

// told is a courier with a clock of its own, and what it counts.
type told struct {
	*courier
	clock    *clocktesting.FakeClock
	registry *prometheus.Registry
}

func newTold(t *testing.T, c client.Client, r Receiver, since time.Time) told {
	t.Helper()
	registry := prometheus.NewPedanticRegistry()
	metrics, err := NewMetrics(registry)
	must(t, err)
	clk := clocktesting.NewFakeClock(time.Now())
	r.setDefaults()
	one := &courier{
		client: c, clock: clk, metrics: metrics, maxAge: DefaultMaxAge, requesters: &requesters{}, wake: make(chan struct{}, 1),
	}
	one.configure(settings{receiver: r, cluster: "prod", configured: []string{r.Name}, since: since})
	one.ready()
	return told{one, clk, registry}
}

// pass lets the time go by, one step after the other.
func (c *told) pass(t *testing.T, d time.Duration) {
	t.Helper()
	for until := c.clock.Now().Add(d); ; {
		pause := c.step(t.Context())
		if !c.clock.Now().Add(pause).Before(until) {
			c.clock.SetTime(until)
			return
		}
		c.clock.Step(pause)
	}
}

// counted is a metric's value by its name and the value of its last label.
func (c *told) counted(t *testing.T, name, last string) float64 {
	t.Helper()
	families, err := c.registry.Gather()
	must(t, err)
	for _, family := range families {
		for _, m := range family.GetMetric() {
			labels := m.GetLabel()
			if family.GetName() == name && len(labels) > 0 && labels[len(labels)-1].GetValue() == last {
				return m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
		}
	}
	t.Fatalf("no metric %s %s", name, last)
	return 0
}

func entriesOf(rec *v1alpha1.ChangeRecord) []string {
	var names []string
	for _, n := range rec.Status.Notified {
		names = append(names, n.Receiver)
	}
	return names
}
