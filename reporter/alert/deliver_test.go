package alert

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

func TestARecordIsToldOnce(t *testing.T) {
	c, p := newClient(t), newPlace(t)
	courier := newTold(t, c, Receiver{Name: "oncall", Type: Slack, URL: p.URL}, time.Now().Add(-time.Minute))
	rec := create(t, c, name(t, "a"), time.Now(), denied())
	courier.changed(rec)
	courier.changed(rec) // the stream tells of the same state more than once
	courier.pass(t, time.Second)
	after := get(t, c, rec.Name)
	if diff := cmp.Diff([]string{"oncall"}, entriesOf(after)); diff != "" {
		t.Errorf("status.notified (-want +got):\n%s", diff)
	}
	courier.changed(rec) // as it was before: late news
	courier.changed(after)
	courier.pass(t, time.Minute)
	if diff := cmp.Diff([]string{string(rec.UID)}, p.ids()); diff != "" {
		t.Errorf("told (-want +got):\n%s", diff)
	}
}

// TestAReceiverIsDownForAnHour: nothing is lost, nothing is told twice, and the metrics
// show it meanwhile.
func TestAReceiverIsDownForAnHour(t *testing.T) {
	c, p := newClient(t), newPlace(t)
	p.answers(status(http.StatusInternalServerError))
	courier := newTold(t, c, Receiver{Name: "oncall", Type: CloudEvents, URL: p.URL}, time.Now().Add(-time.Minute))
	var want []string
	for n := range 12 { // one every five minutes
		rec := create(t, c, name(t, fmt.Sprint(n)), courier.clock.Now(), denied())
		want = append(want, string(rec.UID))
		courier.changed(rec)
		courier.pass(t, 5*time.Minute)
	}
	tried := len(p.received())
	if tried < 12 || tried > 60 {
		t.Errorf("tried %d times in an hour, want a pause of five minutes at most and seconds at first", tried)
	}
	if pending, oldest := courier.counted(t, "gitlatch_notifications_pending", "oncall"), courier.counted(t, "gitlatch_notification_oldest_seconds", "oncall"); pending != 12 || oldest < 3000 {
		t.Errorf("pending %v, oldest %v s, want 12 and about an hour", pending, oldest)
	}
	p.answers(nil)
	courier.pass(t, 10*time.Minute)
	if diff := cmp.Diff(want, p.ids()[tried:]); diff != "" {
		t.Errorf("told after an hour, the oldest first (-want +got):\n%s", diff)
	}
	if delivered, pending := courier.counted(t, "gitlatch_notifications_total", resultDelivered), courier.counted(t, "gitlatch_notifications_pending", "oncall"); delivered != 12 || pending != 0 {
		t.Errorf("delivered %v, pending %v", delivered, pending)
	}
}

// TestAnAnswerThatDoesNotComeIsAFailure, and holds up nobody else: each courier waits for
// its own receiver.
func TestAnAnswerThatDoesNotComeIsAFailure(t *testing.T) {
	c, hanging, quick := newClient(t), newPlace(t), newPlace(t)
	let := make(chan struct{})
	t.Cleanup(func() { close(let) })
	hanging.answers(func(http.ResponseWriter, *http.Request, string) { <-let })
	slow := newTold(t, c, Receiver{Name: "slow", Type: Slack, URL: hanging.URL}, time.Now().Add(-time.Minute))
	fast := newTold(t, c, Receiver{Name: "fast", Type: Slack, URL: quick.URL}, time.Now().Add(-time.Minute))
	rec := create(t, c, name(t, "a"), time.Now(), denied())
	slow.changed(rec)
	fast.changed(rec)
	done := make(chan time.Duration)
	go func() {
		began := time.Now()
		slow.step(t.Context())
		done <- time.Since(began)
	}()
	began := time.Now()
	fast.step(t.Context())
	if took := time.Since(began); took > 5*time.Second || len(quick.received()) != 1 {
		t.Errorf("the other receiver was told %d times in %s", len(quick.received()), took)
	}
	slow.changed(rec) // nor does it hold up whoever tells the couriers
	if took := <-done; took < sendTimeout || took > sendTimeout+5*time.Second {
		t.Errorf("gave up after %s, want %s", took, sendTimeout)
	}
	if failed := slow.counted(t, "gitlatch_notifications_total", resultFailed); failed != 1 {
		t.Errorf("failed %v, want 1", failed)
	}
}

// TestAFloodIsToldTogether: no more than the limit, and every record is named.
func TestAFloodIsToldTogether(t *testing.T) {
	c, p := newClient(t), newPlace(t)
	courier := newTold(t, c, Receiver{Name: "oncall", Type: CloudEvents, URL: p.URL, PerMinute: 5}, time.Now().Add(-time.Hour))
	var names []string
	for n := range 40 {
		rec := denied()
		if n == 39 {
			rec.Spec.Outcome, rec.Spec.Reason = v1alpha1.OutcomeBypass, v1alpha1.ReasonUnguarded
		}
		create(t, c, name(t, fmt.Sprintf("%02d", n)), time.Now().Add(time.Duration(n)*time.Millisecond), rec)
		names = append(names, rec.Name)
		courier.changed(rec)
	}
	late, fails := create(t, c, name(t, "late"), time.Now().Add(time.Second), denied()), true
	p.answers(func(w http.ResponseWriter, _ *http.Request, body string) {
		if strings.Contains(body, "digest") && fails {
			fails = false
			courier.changed(late) // what comes meanwhile doesn't change what is repeated
			http.Error(w, "busy", http.StatusServiceUnavailable)
		}
	})
	courier.pass(t, time.Minute)
	received := p.received()
	if len(received) != 7 { // four, a digest that fails, and again, and what came late
		t.Fatalf("told %d times, want 7", len(received))
	}
	if !strings.Contains(received[6].body, late.Name) {
		t.Errorf("the late one was not told last: %s", received[6].body)
	}
	if !strings.Contains(received[0].body, names[39]) {
		t.Errorf("the bypass was not told first: %s", received[0].body)
	}
	if received[4].id != received[5].id {
		t.Errorf("the digest has another id when it is repeated: %s, %s", received[4].id, received[5].id)
	}
	for n, name := range names {
		if got := entriesOf(get(t, c, name)); !slices.Equal(got, []string{"oncall"}) {
			t.Errorf("record %s: notified %v", name, got)
		}
		if n >= 3 && n != 39 && !strings.Contains(received[5].body, `"`+name+`"`) {
			t.Errorf("the digest doesn't name %s", name)
		}
	}
	if delivered := courier.counted(t, "gitlatch_notifications_total", resultDelivered); delivered != 41 {
		t.Errorf("delivered %v, want 41", delivered)
	}
}

// TestOneThatIsRefusedHoldsUpNoOther: it is tried later, and given up when it is too old.
func TestOneThatIsRefusedHoldsUpNoOther(t *testing.T) {
	c, p := newClient(t), newPlace(t)
	courier := newTold(t, c, Receiver{Name: "oncall", Type: Alertmanager, URL: p.URL}, time.Now().Add(-time.Minute))
	bad := create(t, c, name(t, "bad"), time.Now(), denied())
	good := create(t, c, name(t, "good"), time.Now().Add(time.Second), denied())
	p.answers(func(w http.ResponseWriter, _ *http.Request, body string) {
		if strings.Contains(body, bad.Name) {
			http.Error(w, "invalid", http.StatusBadRequest)
		}
	})
	courier.changed(bad)
	courier.changed(good)
	courier.pass(t, time.Minute)
	if got := entriesOf(get(t, c, good.Name)); !slices.Equal(got, []string{"oncall"}) {
		t.Errorf("the other: notified %v", got)
	}
	courier.pass(t, DefaultMaxAge+time.Hour)
	if got := entriesOf(get(t, c, bad.Name)); got != nil {
		t.Errorf("the refused one: notified %v", got)
	}
	if expired, refused := courier.counted(t, "gitlatch_notifications_total", resultExpired), courier.counted(t, "gitlatch_notifications_total", resultRefused); expired != 1 || refused < 50 || refused > 90 {
		t.Errorf("expired %v, refused %v: want 1, and about one an hour", expired, refused)
	}
}

func TestARecordThatIsGoneIsNotTold(t *testing.T) {
	c, p := newClient(t), newPlace(t)
	courier := newTold(t, c, Receiver{Name: "oncall", Type: Slack, URL: p.URL}, time.Now().Add(-time.Minute))
	rec := create(t, c, name(t, "a"), time.Now(), denied())
	courier.changed(rec)
	must(t, c.Delete(t.Context(), rec.DeepCopy()))
	courier.pass(t, time.Minute)
	if got := p.received(); got != nil {
		t.Errorf("told of a record that is gone: %v", got)
	}
	if pending, _ := courier.queue.waiting(); pending != 0 {
		t.Errorf("%d wait", pending)
	}
}

// TestTwoReceiversAndTheGateWriteTheSameRecord: nobody's entry is lost.
func TestTwoReceiversAndTheGateWriteTheSameRecord(t *testing.T) {
	c := newClient(t)
	rec := create(t, c, name(t, "a"), time.Now(), denied())
	errs := make(chan error)
	var want []string
	for n := range 6 {
		receiver := fmt.Sprintf("r%d", n)
		want = append(want, receiver)
		go func() { errs <- mark(t.Context(), c, &item{name: rec.Name, taken: time.Now()}, receiver, nil) }()
	}
	for range want {
		must(t, <-errs)
	}
	got := entriesOf(get(t, c, rec.Name))
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestRetryAfterIsHonoured(t *testing.T) {
	c, p := newClient(t), newPlace(t)
	p.answers(func(w http.ResponseWriter, _ *http.Request, _ string) {
		w.Header().Set("Retry-After", "120")
		http.Error(w, "rate_limited", http.StatusTooManyRequests)
	})
	courier := newTold(t, c, Receiver{Name: "oncall", Type: Slack, URL: p.URL}, time.Now().Add(-time.Minute))
	courier.changed(create(t, c, name(t, "a"), time.Now(), denied()))
	courier.pass(t, 110*time.Second)
	if tried := len(p.received()); tried != 1 {
		t.Errorf("tried %d times within the time that it asked for", tried)
	}
	courier.pass(t, 20*time.Second)
	if tried := len(p.received()); tried != 2 {
		t.Errorf("tried %d times, want a second time after it", tried)
	}
}

// TestARedirectionIsNotFollowed: it would carry the token to somebody else.
func TestARedirectionIsNotFollowed(t *testing.T) {
	thief, p := newPlace(t), newPlace(t)
	p.answers(func(w http.ResponseWriter, r *http.Request, _ string) {
		http.Redirect(w, r, thief.URL, http.StatusTemporaryRedirect)
	})
	err := send(t.Context(), &Receiver{Name: "oncall", Type: Slack, URL: p.URL}, message{id: "a", body: []byte("{}")})
	if err == nil || err.Error() != "the receiver answered 307 Temporary Redirect" || len(thief.received()) != 0 {
		t.Errorf("error %v, and %d requests to the other", err, len(thief.received()))
	}
}

// TestTLSAndCertificates: the receiver's certificate is checked, and it may ask for ours.
func TestTLSAndCertificates(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	server.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert}
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // handshakes that are meant to fail
	server.StartTLS()
	t.Cleanup(server.Close)
	key, err := x509.MarshalPKCS8PrivateKey(server.TLS.Certificates[0].PrivateKey)
	must(t, err)
	ca := write(t, "ca.crt", pemOf("CERTIFICATE", server.Certificate().Raw))
	private := write(t, "tls.key", pemOf("PRIVATE KEY", key))
	for name, tc := range map[string]struct {
		tweak func(*Receiver)
		want  string
	}{
		"nobody signed its certificate": {func(r *Receiver) { r.CAFile = "" }, "certificate signed by unknown authority"},
		"it wants ours":                 {func(r *Receiver) { r.CertFile, r.KeyFile = "", "" }, "certificate required"},
		"an authority that is none":     {func(r *Receiver) { r.CAFile = private }, "reading caFile: there is no certificate in it"},
		"a key that is none":            {func(r *Receiver) { r.KeyFile = ca }, "reading certFile and keyFile: they are no certificate and key that go together"},
		"all is right":                  {func(*Receiver) {}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			r := &Receiver{Name: "oncall", Type: Slack, URL: server.URL, CAFile: ca, CertFile: ca, KeyFile: private}
			tc.tweak(r)
			got := ""
			if err := send(t.Context(), r, message{id: "a"}); err != nil {
				got = err.Error()
			}
			if !strings.Contains(got, tc.want) || (got == "") != (tc.want == "") {
				t.Errorf("error %q, want %q", got, tc.want)
			}
		})
	}
}
