package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/gitlatch/gitlatch/test/figures"
	"github.com/gitlatch/gitlatch/test/gitlatch"
)

// again measures the same commit again, one that changes one object, and the same after a restart.
func (y *carrying) again(ctx context.Context) error {
	fmt.Fprintln(y.progress, "syncing the same commit again, and one that changes one object")
	t := Table{
		Title:   "Once 5,000 objects are synced",
		Note:    "calls: that the API server answered to the applier, but for its lease. CPU: of its process.",
		Columns: []string{"time", "calls", "writes of objects", "lists", "writes of the GitSync", "CPU"},
	}
	for _, measure := range []func(context.Context) (Row, error){y.unchanged, y.oneChanged, y.restarted} {
		row, err := measure(ctx)
		if err != nil {
			return err
		}
		t.Rows = append(t.Rows, row)
	}
	y.tables = append(y.tables, t)
	return y.peak("first look at what is there, after a restart")
}

// unchanged has the remote asked each second, and sees what that takes.
func (y *carrying) unchanged(ctx context.Context) (Row, error) {
	if err := y.patch(ctx, "five", `{"spec":{"interval":"1s"}}`); err != nil {
		return Row{}, err
	}
	if err := y.settle(ctx); err != nil {
		return Row{}, err
	}
	runs, err := y.counted(ctx, "gitlatch_sync_runs_total")
	if err != nil {
		return Row{}, err
	}
	d, err := y.during(func() error {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(unchangedFor):
			return nil
		}
	})
	if err != nil {
		return Row{}, err
	}
	after, err := y.counted(ctx, "gitlatch_sync_runs_total")
	if err != nil {
		return Row{}, err
	}
	if err := y.patch(ctx, "five", `{"spec":{"interval":"1h"}}`); err != nil {
		return Row{}, err
	}
	n := after - runs
	row := d.row(fmt.Sprintf("the same commit, %.0f runs", n))
	row.Target, row.Missed = "no call", d.calls.all != 0 || n == 0
	row.Notes = []string{fmt.Sprintf("(%s of CPU a run)", figures.Readable(d.cpu/time.Duration(max(n, 1))))}
	return row, y.settle(ctx)
}

// oneChanged commits a change to one object.
func (y *carrying) oneChanged(ctx context.Context) (Row, error) {
	d := declarations("five", 5000)[60]
	changed := strings.Replace(d.text, "blue", "green", 1)
	if changed == d.text {
		return Row{}, fmt.Errorf("%s has nothing to change", d.file)
	}
	commit, err := y.repo.CommitFiles("make it green", map[string]string{"five/" + d.file: changed})
	if err != nil {
		return Row{}, err
	}
	if err := y.repo.Push(); err != nil {
		return Row{}, err
	}
	took := time.Duration(0)
	m, err := y.during(func() error {
		var err error
		took, err = y.ask(ctx, "five", commit)
		return err
	})
	if err != nil {
		return Row{}, err
	}
	m.took = took
	row := m.row("one object changed of 5,000")
	row.Target, row.Missed = "one write", m.calls.objects != 1
	return row, y.settle(ctx)
}

// restarted starts the process anew on what is synced.
func (y *carrying) restarted(ctx context.Context) (Row, error) {
	y.gate.Applier().Terminate()
	m, err := y.during(func() error {
		if err := y.gate.Applier().Start(ctx); err != nil {
			return err
		}
		return gitlatch.WaitFor(ctx, time.Minute, "the first run", func(ctx context.Context) error {
			n, err := y.counted(ctx, "gitlatch_sync_runs_total")
			if err == nil && n == 0 {
				err = errors.New("there was none")
			}
			return err
		})
	})
	if err != nil {
		return Row{}, err
	}
	row := m.row("the same commit after a restart")
	row.Target, row.Missed = "no write of an object", m.calls.objects != 0
	return row, y.settle(ctx)
}

// measured is what something took.
type measured struct {
	took  time.Duration
	cpu   time.Duration // of the applier's process
	calls calls
}

// during does something and says what it took. A process that has yet to start has taken nothing before.
func (y *carrying) during(do func() error) (m measured, err error) {
	before, err := y.audited()
	if err != nil {
		return m, err
	}
	var used time.Duration
	if y.gate.Applier().Running() {
		if used, err = cpu(y.gate.Applier().PID()); err != nil {
			return m, err
		}
	}
	began := time.Now()
	if err := do(); err != nil {
		return m, err
	}
	m.took = time.Since(began)
	after, err := cpu(y.gate.Applier().PID())
	if err != nil {
		return m, err
	}
	m.cpu = after - used
	calls, err := y.audited()
	m.calls = calls.minus(before)
	return m, err
}

func (m measured) row(name string) Row {
	c := m.calls
	return Row{Name: name, Values: []Value{
		nanoseconds(m.took), {float64(c.all), ""}, {float64(c.objects), ""}, {float64(c.lists), ""}, {float64(c.status), ""}, nanoseconds(m.cpu),
	}}
}

// quiet is how long nothing must have been called for until what was begun is taken to be done: syncs are looked at
// again after two seconds where something was not well yet.
const quiet = 3 * time.Second

// settle waits until the applier has nothing to do.
func (y *carrying) settle(ctx context.Context) error {
	last, since := -1, time.Now()
	return gitlatch.WaitFor(ctx, time.Minute, "the applier to have nothing to do", func(context.Context) error {
		now, err := y.audited()
		if err != nil {
			return err
		}
		if now.all != last {
			last, since = now.all, time.Now()
		}
		if time.Since(since) < quiet {
			return fmt.Errorf("%d calls", now.all)
		}
		return nil
	})
}
