package retention

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"k8s.io/client-go/tools/clientcmd"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/reporter/archive"
)

// childEnv makes the test's binary a reporter that is killed.
const childEnv = "GITLATCH_RETENTION_CHILD"

// order is what a child is to do.
type order struct {
	Kubeconfig, Path string
	Now              time.Time
	// At is where it kills itself, and Nth how often it gets there before.
	At  string
	Nth int
}

// Places to be killed at.
const (
	beforeAppend = "before a batch is archived"
	inLine       = "in the middle of a line"
	afterAppend  = "before the head is noted"
	afterSave    = "before anything is deleted"
	afterDelete  = "between two deletions"
	nowhere      = "nowhere"
)

// child makes passes until none of the records is left.
func child(asked string) error {
	var o order
	if err := json.Unmarshal([]byte(asked), &o); err != nil {
		return err
	}
	config, err := clientcmd.BuildConfigFromFlags("", o.Kubeconfig)
	if err != nil {
		return err
	}
	c, err := clientOf(config)
	if err != nil {
		return err
	}
	fate := &fate{order: o}
	l := &Loop{
		Store:   &mortalStore{c, fate},
		Sink:    &mortalSink{&archive.File{Path: o.Path}, fate},
		Heads:   &mortalHeads{&archive.Heads{Client: c, Namespace: systemNamespace, Sink: archive.SinkFile}, fate},
		Clock:   clocktesting.NewFakeClock(o.Now),
		Options: Options{MaxAge: 90 * day},
	}
	for {
		if r, err := l.Pass(context.Background()); err != nil || r.Stored == 0 {
			return err
		}
	}
}

type fate struct {
	order
	met int
}

// reach kills this process as kill -9 does, if this is the place.
func (f *fate) reach(at string, last func()) {
	if f.At != at {
		return
	}
	if f.met++; f.met < f.Nth {
		return
	}
	if last != nil {
		last()
	}
	_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	select {}
}

type mortalSink struct {
	*archive.File
	fate *fate
}

func (s *mortalSink) Append(ctx context.Context, known archive.Head, at time.Time, records []*v1alpha1.ChangeRecord) (archive.Appended, error) {
	s.fate.reach(beforeAppend, nil)
	s.fate.reach(inLine, func() {
		line, _, _ := archive.Encode(known, at, records[0])
		file, _ := os.OpenFile(s.Path, os.O_APPEND|os.O_WRONLY|os.O_CREATE, 0o600)
		_, _ = file.Write(line[:len(line)/2])
	})
	done, err := s.File.Append(ctx, known, at, records)
	s.fate.reach(afterAppend, nil)
	return done, err
}

type mortalHeads struct {
	*archive.Heads
	fate *fate
}

func (h *mortalHeads) Save(ctx context.Context, head archive.Head) error {
	err := h.Heads.Save(ctx, head)
	h.fate.reach(afterSave, nil)
	return err
}

type mortalStore struct {
	Store
	fate *fate
}

func (s *mortalStore) Delete(ctx context.Context, obj client.Object, opts ...client.DeleteOption) error {
	err := s.Store.Delete(ctx, obj, opts...)
	s.fate.reach(afterDelete, nil)
	return err
}

// reporter is a child with an order.
func (r *rig) reporter(t *testing.T, at string, nth int) *exec.Cmd {
	t.Helper()
	asked, err := json.Marshal(order{Kubeconfig: shared.Kubeconfig("admin"), Path: r.path, Now: r.now, At: at, Nth: nth})
	must(t, err)
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"="+string(asked))
	return cmd
}

// lost are the records that are neither in the cluster nor in the archive.
func (r *rig) lost(t *testing.T, of int) []string {
	t.Helper()
	data, err := os.ReadFile(r.path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	left, lost := r.left(t), []string{}
	for n := range of {
		name := fmt.Sprintf("cr-%05d", n)
		if _, there := slices.BinarySearch(left, name); !there && !strings.Contains(string(data), `"name":"`+name+`"`) {
			lost = append(lost, name)
		}
	}
	return lost
}

// TestKilled: a reporter is killed at every step, and the next one ends its work. No
// record is lost, and the archive is intact.
func TestKilled(t *testing.T) {
	const records = 2*batchSize + 20
	for _, tc := range []struct {
		at  string
		nth int
	}{
		{beforeAppend, 1}, {beforeAppend, 2}, {inLine, 1}, {inLine, 2}, {afterAppend, 1}, {afterAppend, 3},
		{afterSave, 1}, {afterSave, 2}, {afterDelete, 1}, {afterDelete, batchSize}, {afterDelete, batchSize + 7},
	} {
		t.Run(fmt.Sprintf("%s, time %d", tc.at, tc.nth), func(t *testing.T) {
			r := newRig(t, Options{})
			r.seedMany(t, records, 95*day)
			err := r.reporter(t, tc.at, tc.nth).Run()
			if exit := (*exec.ExitError)(nil); !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
				t.Fatalf("the reporter was not killed: %v", err)
			}
			if lost := r.lost(t, records); len(lost) > 0 {
				t.Errorf("lost: %v", lost)
			}
			if out, err := r.reporter(t, nowhere, 0).CombinedOutput(); err != nil {
				t.Fatalf("the next reporter: %v\n%s", err, out)
			}
			if left := r.left(t); len(left) > 0 {
				t.Errorf("left: %v", left)
			}
			if kept := r.kept(t); len(kept) < records || len(kept) > records+batchSize {
				t.Errorf("%d lines of records", len(kept))
			}
			if lost := r.lost(t, records); len(lost) > 0 {
				t.Errorf("lost: %v", lost)
			}
		})
	}
}

// TestKilledAgainAndAgain: from outside, at any time.
func TestKilledAgainAndAgain(t *testing.T) {
	const records = 4 * batchSize
	r := newRig(t, Options{})
	r.seedMany(t, records, 95*day)
	for round := 1; len(r.left(t)) > 0; round++ {
		cmd := r.reporter(t, nowhere, 0)
		must(t, cmd.Start())
		time.Sleep(time.Duration(100+37*round) * time.Millisecond)
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if lost := r.lost(t, records); len(lost) > 0 {
			t.Fatalf("after round %d lost: %v", round, lost)
		}
	}
	if out, err := r.reporter(t, nowhere, 0).CombinedOutput(); err != nil {
		t.Fatalf("the last reporter: %v\n%s", err, out)
	}
	if kept := r.kept(t); len(kept) < records {
		t.Errorf("%d lines of records", len(kept))
	}
}
