package main

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

const (
	loadRate = 200 // writes a second
	atOnce   = 64  // writes that wait for an answer
)

// load is a number of people who write all the time.
type load struct {
	people  []kubernetes.Interface
	gate    *world
	written atomic.Int64
	wrong   atomic.Pointer[error] // the first answer that was not as it should be
}

func newLoad(w *world) (*load, error) {
	l := &load{gate: w}
	for _, name := range []string{"alice", "bob", "carol"} {
		c, err := w.client(name)
		if err != nil {
			return nil, err
		}
		l.people = append(l.people, c)
	}
	return l, nil
}

// run writes at the rate, or as fast as the machine answers, until ctx is done.
func (l *load) run(ctx context.Context) error {
	var writing sync.WaitGroup
	places := make(chan struct{}, atOnce)
	tick := time.NewTicker(time.Second / loadRate)
	defer tick.Stop()
	began := time.Now()
	for sent := 0; ctx.Err() == nil; {
		<-tick.C
		// A tick that was missed is made up for.
		for due := int(time.Since(began).Seconds() * loadRate); sent < due && ctx.Err() == nil; sent++ {
			places <- struct{}{}
			writing.Go(func() {
				defer func() { <-places }()
				l.write(context.WithoutCancel(ctx), sent)
			})
		}
	}
	writing.Wait()
	if err := l.wrong.Load(); err != nil {
		return *err
	}
	return nil
}

// write makes the i-th write and looks at its answer.
func (l *load) write(ctx context.Context, i int) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	c, n := l.people[i%len(l.people)], i/4
	denied, err := true, error(nil)
	switch i % 4 {
	case 0:
		err = patchConfigMap(ctx, c, enforced, target(n), "bench", i)
	case 2:
		made := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("new-%d", i)}}
		_, err = c.CoreV1().ConfigMaps(enforced).Create(ctx, made, metav1.CreateOptions{})
	default:
		denied, err = false, patchConfigMap(ctx, c, audited, target(i/2), "bench", i)
	}
	l.written.Add(1)
	switch {
	case denied && apierrors.IsForbidden(err), !denied && err == nil:
	case err == nil:
		l.complain(fmt.Errorf("write %d by hand went through", i))
	default:
		l.complain(fmt.Errorf("write %d: %w", i, err))
	}
}

func (l *load) complain(err error) { l.wrong.CompareAndSwap(nil, &err) }

// records is how many there are.
func (w *world) records(ctx context.Context) (float64, error) {
	c, err := w.dynamic("admin")
	if err != nil {
		return 0, err
	}
	list, err := c.Resource(v1alpha1.GroupVersion.WithResource("changerecords")).List(ctx, metav1.ListOptions{Limit: 1})
	if err != nil {
		return 0, fmt.Errorf("counting the records: %w", err)
	}
	n := len(list.Items)
	if more := list.GetRemainingItemCount(); more != nil {
		n += int(*more)
	}
	return float64(n), nil
}
