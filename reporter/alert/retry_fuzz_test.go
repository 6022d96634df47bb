package alert

import (
	"net/http"
	"testing"
)

// FuzzRetryAfter: whatever a receiver answers, it is not waited for longer than we say, nor less than nothing.
func FuzzRetryAfter(f *testing.F) {
	for _, text := range []string{"", "0", "30", "-1", "9223372036854775807", "9223372037", "Wed, 21 Oct 2026 07:28:00 GMT"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if pause := retryAfter(http.Header{"Retry-After": {text}}); pause < 0 || pause > longestPause {
			t.Errorf("%q is a pause of %s", text, pause)
		}
	})
}
