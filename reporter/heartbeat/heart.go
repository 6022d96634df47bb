package heartbeat

import (
	"context"
	"fmt"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/gitlatch/gitlatch/policy"
)

const (
	// DefaultEvery is how often the gate is asked.
	DefaultEvery = 10 * time.Second
	// blind is how long nobody may have looked before that is a gap of its own: a
	// reporter that is replaced by another takes less.
	blind = time.Minute
	// sooner is by how much more often the gate is asked while a gap is open, so that
	// its end is known.
	sooner = 5
	// extraEvery is how often a change brings about a beat while a gap is open.
	extraEvery = time.Second
	// lookPatience bounds a beat: the canaries, and what is read beside them.
	lookPatience = patience + 2*time.Second
	// writePatience bounds what is written after a beat.
	writePatience = 3 * time.Second
)

// Heart beats on the leader. Its fields are set before Start.
type Heart struct {
	// Config is of the account that asks the canaries; each API server is asked with it.
	Config *rest.Config
	// Client reads past any cache, and writes records and what must outlive the process.
	Client client.WithWatch
	// Namespace that Gitlatch runs in.
	Namespace string
	// Expected says how the gate should be, from the policies as they are now.
	Expected func(ctx context.Context) (*Expected, error)
	// Differences lists what of a configuration is not as it should be; what platforms
	// are known to rewrite is none.
	Differences func(live, want client.Object) []string
	// Review looks for what got through between two times, records it, and says how
	// much it was. before are the policies that were in force when the gate was last seen
	// as expected, as far as this process saw it: what was written is judged by these as
	// well as by those of now. After an error it is called again.
	Review func(ctx context.Context, from, until time.Time, before []*policy.Policy) (findings int, err error)
	// Every is how often the gate is asked; the zero value: [DefaultEvery].
	Every time.Duration
	// Metrics must be set.
	Metrics *Metrics
	// Clock; nil: the real one.
	Clock clock.WithTicker

	servers  servers
	compare  comparison
	watchman watchman
	sights   sights
	demands  demands
	lastGood []*policy.Policy // that were in force when the gate was last seen as expected
	past     past
	extra    time.Time // of the last beat that a change brought about
	failed   int       // reviews, one after the other
	ended    chan struct{}
}

// NeedLeaderElection says that it runs on the leader.
func (h *Heart) NeedLeaderElection() bool { return true }

// Start beats until ctx ends.
func (h *Heart) Start(ctx context.Context) error {
	h.ready()
	if err := h.resume(ctx); err != nil {
		return err
	}
	told := make(chan changed, 16)
	h.watchConfigurations(ctx, told)
	reviewing := make(chan struct{})
	go func() {
		defer close(reviewing)
		h.reviews(ctx)
	}()
	h.beats(ctx, told)
	<-reviewing
	return nil
}

func (h *Heart) ready() {
	if h.Every == 0 {
		h.Every = DefaultEvery
	}
	if h.Clock == nil {
		h.Clock = clock.RealClock{}
	}
	h.servers = servers{config: h.Config, reader: h.Client}
	h.compare = comparison{differences: h.Differences}
	h.watchman = watchman{blind: blind}
	h.ended = make(chan struct{}, 1)
	h.Metrics.begin(h.Clock.Now())
}

func (h *Heart) ledger() *ledger { return &ledger{client: h.Client} }

// resume goes on from where an earlier life left off. It tries until it knows: whoever
// begins without would take an open gap for a new one.
func (h *Heart) resume(ctx context.Context) error {
	for ctx.Err() == nil {
		m, err := loadMemory(ctx, h.Client, h.Namespace)
		if err == nil {
			h.watchman.good, h.watchman.expected, h.sights, h.demands = m.Seen, m.Expected, m.Governed, m.Demanded
			h.watchman.open, err = h.ledger().adopt(ctx)
		}
		if err == nil {
			return nil
		}
		logf.FromContext(ctx).Error(err, "heartbeat not begun, trying again")
		select {
		case <-ctx.Done():
		case <-h.Clock.After(time.Second):
		}
	}
	return nil
}

func (h *Heart) beats(ctx context.Context, told <-chan changed) {
	for {
		h.beat(ctx, nil)
		timer := h.Clock.NewTimer(h.pause())
		for waiting := true; waiting; {
			select {
			case <-ctx.Done():
				timer.Stop()
				return
			case c := <-told:
				h.hear(ctx, &c)
			case <-timer.C():
				waiting = false
			}
		}
	}
}

func (h *Heart) pause() time.Duration {
	if h.watchman.open != nil {
		return h.Every / sooner
	}
	return h.Every
}

// hear beats at once where a configuration that changed is not as it should be, or may be
// again.
func (h *Heart) hear(ctx context.Context, c *changed) {
	if h.watchman.open == nil && !c.gone && h.compare.current != nil {
		now := live{gate: h.compare.current.Gate, final: h.compare.current.Final}.with(c)
		if _, off := now.off(); !off && len(h.compare.faults(now, h.Clock.Now())) == 0 {
			return
		}
	}
	if h.paced(h.Clock.Now()) {
		return // the next beat reads what stands then
	}
	h.beat(ctx, c)
}

// paced: while a gap is open, changes bring about one beat in a time and no more.
func (h *Heart) paced(now time.Time) bool {
	if h.watchman.open != nil && now.Sub(h.extra) < extraEvery {
		return true
	}
	h.extra = now
	return false
}

// beat looks once, and writes down what follows.
func (h *Heart) beat(ctx context.Context, told *changed) {
	log := logf.FromContext(ctx)
	before := h.lastGood
	l := h.look(ctx, told)
	if ctx.Err() != nil {
		return // it was cut off, and saw nothing
	}
	h.Metrics.looked(&l)
	s := l.standing()
	begun, ended := h.watchman.see(s)
	if begun != nil {
		h.past.keep(begun.record.Name, before)
		h.Metrics.began(begun)
		log.Info("gap begun", "record", begun.record.Name, "state", begun.record.Spec.Gap.State, "expected", begun.record.Spec.Gap.Expected,
			"cause", begun.cause(), "since", begun.since().UTC(), "message", begun.record.Spec.Message)
	}
	if ended != nil {
		log.Info("gap ended", "record", ended.record.Name, "cause", ended.cause(), "since", ended.since().UTC(), "until", ended.end.UTC())
	}
	if !s.known && begun == nil {
		log.Info("the state of the gate can't be told", "because", s.fault.Detail)
	}
	h.Metrics.stands(s, h.watchman.open)
	if err := h.write(ctx); err != nil {
		log.Error(err, "heartbeat not written down, trying again")
	}
}

// write brings the cluster up to what is known; what fails is tried with the next beat.
// The time goes last: without it the next life of this loop looks back further.
func (h *Heart) write(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, writePatience)
	defer cancel()
	w := &h.watchman
	for len(w.unwritten) > 0 {
		if err := h.ledger().write(ctx, w.unwritten[0]); err != nil {
			return err
		}
		w.unwritten = w.unwritten[1:]
		select {
		case h.ended <- struct{}{}:
		default:
		}
	}
	if w.open != nil {
		if err := h.ledger().write(ctx, w.open); err != nil {
			return err
		}
	}
	if w.good.IsZero() {
		return nil
	}
	m := memory{Seen: w.good, Expected: w.expected, Governed: h.sights, Demanded: h.demands}
	if err := m.keep(ctx, h.Client, h.Namespace); err != nil {
		return fmt.Errorf("keeping when the gate was last seen shut: %w", err)
	}
	return nil
}
