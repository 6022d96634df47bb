package alert

import (
	"slices"
	"testing"
	"time"
)

// FuzzMemory: whatever is in the ConfigMap, a receiver is remembered from a time that was, and read back as it was
// written, or is one that was never seen; and what other loops keep there is no receiver.
func FuzzMemory(f *testing.F) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	f.Add(memoryKey+"slack", now.Add(-time.Hour).Format(time.RFC3339), "slack")
	f.Add(memoryKey+"slack", now.Add(time.Hour).Format(time.RFC3339), "slack")
	f.Add(memoryKey+"slack", "2026-01-02T03:04:05.999+14:00", "slack")
	f.Add(memoryKey, "0000-01-01T00:00:00Z", "")
	f.Add("heartbeat", "{}", "slack")
	f.Fuzz(func(t *testing.T, key, value, receiver string) {
		stored := map[string]string{key: value}
		at, ok := rememberedAt(stored, receiver, now)
		if ok && at.After(now) {
			t.Errorf("%q is remembered from %s on", value, at)
		}
		if ok && key != memoryKey+receiver {
			t.Errorf("%q is remembered under %q", receiver, key)
		}
		written := map[string]string{memoryKey + receiver: now.Format(time.RFC3339)}
		if again, ok := rememberedAt(written, receiver, now); !ok || !again.Equal(now) {
			t.Errorf("written now, it is remembered %t from %s", ok, again)
		}
		if !slices.Contains(remembered(written), receiver) || ok != (ok && slices.Contains(remembered(stored), receiver)) {
			t.Errorf("%q is not listed: %q", receiver, remembered(stored))
		}
	})
}
