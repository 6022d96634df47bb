package record

import (
	"crypto/sha256"
	"encoding/json"
	"math"
	"runtime"
	"strings"
	"testing"
)

func TestEqualValuesHaveOneFingerprintAndOthersAnother(t *testing.T) {
	of := func(text string) [sha256.Size]byte {
		t.Helper()
		var v any
		if err := json.Unmarshal([]byte(text), &v); err != nil {
			t.Fatal(err)
		}
		h := sha256.New()
		if err := Fingerprint(h, v); err != nil {
			t.Fatal(err)
		}
		return [sha256.Size]byte(h.Sum(nil))
	}
	if of(`{"a":1,"b":["x",true,null]}`) != of(`{"b":["x",true,null],"a":1}`) {
		t.Error("the order of keys makes a difference")
	}
	seen := map[[sha256.Size]byte]string{}
	for _, text := range []string{
		`null`, `true`, `false`, `0`, `1`, `12`, `""`, `"1"`, `"null"`, `"a"`, `"ab"`, `{}`, `[]`, `[[]]`, `[{}]`, `{"a":{}}`, `{"a":[]}`,
		`["a","b"]`, `["ab"]`, `["a",["b"]]`, `[["a"],"b"]`, `{"a":"b"}`, `{"ab":""}`, `{"a":"b","c":"d"}`, `{"a":{"b":"c"},"d":1}`,
		`{"a":{"b":"c","d":1}}`, `["a1:b"]`, `["a","1:b"]`,
	} {
		sum := of(text)
		if before, ok := seen[sum]; ok {
			t.Errorf("%s and %s have one fingerprint", before, text)
		}
		seen[sum] = text
	}
	if err := Fingerprint(sha256.New(), map[string]any{"a": math.Inf(1)}); err == nil {
		t.Error("what is no JSON has a fingerprint")
	}
}

// A long text is hashed where it is. As JSON, "<" takes six bytes.
func TestAFingerprintTakesNoMemory(t *testing.T) {
	page := map[string]any{"data": map[string]any{"page": strings.Repeat("<", 40<<20)}}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if err := Fingerprint(sha256.New(), page); err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	if took := after.TotalAlloc - before.TotalAlloc; took > 1<<20 {
		t.Errorf("it took %d KiB", took>>10)
	}
}

// A long text is told in part, and only that part is written as JSON.
func TestALongValueIsToldInPartAndNotCopied(t *testing.T) {
	page := map[string]any{"page": strings.Repeat("é<", 10<<20)}
	want := text(map[string]any{"page": strings.Repeat("é<", maxValue)}, true)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	got := text(page, true)
	runtime.ReadMemStats(&after)
	if got != want || len(got) > maxValue {
		t.Errorf("it is told as %q, not %q", got, want)
	}
	if took := after.TotalAlloc - before.TotalAlloc; took > 1<<20 {
		t.Errorf("it took %d KiB", took>>10)
	}
}
