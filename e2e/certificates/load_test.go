package certificates

import (
	"context"
	"errors"
	"fmt"
	"strings"
	gosync "sync"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/gitlatch/gitlatch/test/gitlatch"
	"github.com/gitlatch/gitlatch/test/world"
)

// rate is how many writes a second are asked for. A machine that is busy makes fewer, and the test says how many; so few
// as leastRate show nothing. That all are made is what `make chaos` promises of its scenario certificates.
const rate, leastRate = 200, 20

// targets is how many objects each writer takes turns among.
const targets = 20

// writer is somebody who writes under load, and the answer that is right.
type writer struct {
	user, namespace string
	denied          bool
	client          kubernetes.Interface

	answered atomic.Int64
}

// load is persons who are denied, persons who are warned, git and a controller, all at once.
type load struct {
	writers []*writer
	began   time.Time
	stop    context.CancelFunc
	done    chan struct{}

	mu    gosync.Mutex // guards wrong
	wrong []string
}

// startLoad prepares the objects and writes until finish is called.
func startLoad(t *testing.T, w *world.World) *load {
	t.Helper()
	enforced, warned := w.NewNamespace(t, "{}"), w.NewNamespace(t, "{gate: warn}")
	l := &load{done: make(chan struct{}), writers: []*writer{
		{user: "alice", namespace: enforced, denied: true},
		{user: "bob", namespace: warned},
		{user: gitlatch.SyncLogin, namespace: enforced},
		{user: operator, namespace: enforced},
	}}
	for _, v := range l.writers {
		config := rest.CopyConfig(w.Plane.Config(v.user))
		config.QPS, config.WarningHandler = -1, rest.NoWarnings{}
		v.client = kubernetes.NewForConfigOrDie(config)
		maker := v.client // a controller makes its own; the others' are git's
		if v.user != operator {
			maker = kubernetes.NewForConfigOrDie(w.Plane.Config(gitlatch.SyncLogin))
		}
		for i := range targets {
			_, err := maker.CoreV1().ConfigMaps(v.namespace).Create(t.Context(),
				&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: v.target(i)}, Data: map[string]string{"written": "0"}},
				metav1.CreateOptions{FieldManager: v.manager()})
			world.Must(t, err)
		}
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	l.stop, l.began = stop, time.Now()
	go l.run(ctx)
	t.Cleanup(l.finish)
	return l
}

func (v *writer) target(i int) string {
	return fmt.Sprintf("%s-%d", v.user[strings.LastIndex(v.user, "/")+1:], i%targets)
}

func (v *writer) manager() string {
	if v.user == operator {
		return "web-operator"
	}
	return gitlatch.SyncFieldManager
}

// once makes the i-th write; an error is a wrong answer.
func (v *writer) once(ctx context.Context, i int) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	manager := v.manager()
	if v.user == "alice" || v.user == "bob" {
		manager = "kubectl-edit"
	}
	_, err := v.client.CoreV1().ConfigMaps(v.namespace).Patch(ctx, v.target(i), types.MergePatchType,
		fmt.Appendf(nil, `{"data":{"written":"%d"}}`, i+1), metav1.PatchOptions{FieldManager: manager})
	v.answered.Add(1)
	switch {
	case !v.denied:
		return err
	case err == nil:
		return errors.New("it was let through")
	case !strings.Contains(err.Error(), `"gate.gitlatch.dev" denied the request: OutOfBand: `):
		return err
	}
	return nil
}

// run keeps the pace, with as many writes waiting at once as the pace needs when each takes 40 ms. A machine that is slower
// gets fewer, not more to do at once.
func (l *load) run(ctx context.Context) {
	defer close(l.done)
	var writing gosync.WaitGroup
	places := make(chan struct{}, rate/25)
	for sent := 0; ctx.Err() == nil; {
		due := int(time.Since(l.began).Seconds() * rate)
		for ; sent < due && ctx.Err() == nil; sent++ {
			places <- struct{}{}
			v, i := l.writers[sent%len(l.writers)], sent/len(l.writers)
			writing.Go(func() {
				defer func() { <-places }()
				if err := v.once(context.WithoutCancel(ctx), i); err != nil {
					l.mu.Lock()
					defer l.mu.Unlock()
					l.wrong = append(l.wrong, fmt.Sprintf("after %s: %s: %v", time.Since(l.began).Round(time.Millisecond), v.user, err))
				}
			})
		}
		time.Sleep(time.Millisecond)
	}
	writing.Wait()
}

// finish ends the load and waits for the last answer. More calls do nothing.
func (l *load) finish() {
	l.stop()
	<-l.done
}

// mustBeRight: everybody wrote, and every answer was the right one.
func (l *load) mustBeRight(t *testing.T) {
	t.Helper()
	l.finish()
	took, total := time.Since(l.began), int64(0)
	for _, v := range l.writers {
		total += v.answered.Load()
		if v.answered.Load() < 100 {
			t.Errorf("%s wrote %d times only", v.user, v.answered.Load())
		}
	}
	perSecond := float64(total) / took.Seconds()
	t.Logf("%d writes in %s, %.0f a second", total, took.Round(time.Second), perSecond)
	if perSecond < leastRate {
		t.Errorf("%.0f writes a second are no load", perSecond)
	}
	for i, wrong := range l.wrong {
		if i == 10 {
			t.Errorf("and %d more", len(l.wrong)-i)
			break
		}
		t.Error(wrong)
	}
}
