package record

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	clocktesting "k8s.io/utils/clock/testing"
)

// Each try of a request that conflicts asks for the same look: it is one to take, and
// has the room of one.
func TestARecordThatIsFollowedAlreadyTakesNoMoreRoom(t *testing.T) {
	clock := clocktesting.NewFakeClock(time.Now())
	f := &Follower{Clock: clock, MaxQueue: 2}
	f.init()
	defer f.queue.ShutDown()
	for range 5 {
		f.Follow("cr-1")
	}
	f.Follow("cr-2")
	if f.overflowed.Load() {
		t.Fatal("there is no room for the second record")
	}
	f.Follow("cr-3")
	if !f.overflowed.Load() {
		t.Error("there is room for a third")
	}
	eventually(t, "the looks are due", 10*time.Second, func() bool {
		clock.Step(firstLook)
		return f.queue.Len() == 2
	})
	taken := map[look]int{}
	for range 2 {
		l, _ := f.queue.Get()
		f.letGo(l)
		f.queue.Done(l)
		taken[l]++
	}
	if diff := cmp.Diff(map[look]int{{name: "cr-1"}: 1, {name: "cr-2"}: 1}, taken, cmp.AllowUnexported(look{})); diff != "" {
		t.Errorf("looks (-want +got):\n%s", diff)
	}
	if len(f.held) != 0 {
		t.Errorf("room is taken by %v", f.held)
	}
}
