package archive

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

// TestTheLineIsAsDocumented: whoever reads an archive in ten years has this format and
// nothing else.
func TestTheLineIsAsDocumented(t *testing.T) {
	line, next, err := Encode(Head{Seq: 6, Hash: strings.Repeat("ab", 32)}, noon(), denied(1))
	must(t, err)
	body := `{"gitlatch":"archive/v1","seq":7,"prev":"` + strings.Repeat("ab", 32) + `","archivedAt":"2026-03-02T12:00:00.123456Z",` +
		`"record":{"kind":"ChangeRecord","apiVersion":"gitlatch.dev/v1alpha1","metadata":{"name":"cr-0001","uid":"uid-1","resourceVersion":"101"},` +
		`"spec":{"outcome":"Denied","requester":{"username":"alice"},"request":{"operation":"UPDATE","group":"apps","version":"v1",` +
		`"resource":"deployments","kind":"Deployment","namespace":"prod","name":"web"},"evidence":"Admission","confidence":"Proven"},` +
		`"status":{"count":1,"firstSeen":null,"lastSeen":null,"phase":"Denied"}}`
	sum := sha256.Sum256([]byte(body))
	hash := hex.EncodeToString(sum[:])
	if diff := cmp.Diff(body+`,"hash":"`+hash+`"}`, string(line)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if want := (Head{Seq: 7, Hash: hash}); next != want {
		t.Errorf("the head is %v, want %v", next, want)
	}
	got, err := ParseLine(line)
	must(t, err)
	want := Line{Seq: 7, Prev: strings.Repeat("ab", 32), Hash: hash, Intact: true, Record: "cr-0001", UID: "uid-1", Version: "101"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestTheWholeRecordIsKept: what comes out is what went in.
func TestTheWholeRecordIsKept(t *testing.T) {
	rec := denied(1)
	rec.Spec.Message = "<b> & \"quotes\"\u2028\x00"
	line, _, err := Encode(Head{}, noon(), rec)
	must(t, err)
	var back struct{ Record v1alpha1.ChangeRecord }
	must(t, json.Unmarshal(line, &back))
	want := rec.DeepCopy()
	want.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind("ChangeRecord"))
	if diff := cmp.Diff(*want, back.Record); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if rec.Kind != "" {
		t.Error("the record that was handed over is changed")
	}
}

func TestHeads(t *testing.T) {
	hash := strings.Repeat("0f", 32)
	for name, tc := range map[string]struct {
		text string
		want Head
		err  string
	}{
		"a head":              {text: "812:" + hash, want: Head{Seq: 812, Hash: hash}},
		"of no line":          {text: Head{}.String()},
		"nothing":             {err: `reading the head "": it must be a number, a colon and 64 hexadecimal digits`},
		"a short hash":        {text: "1:0f", err: `reading the head "1:0f": it must be a number, a colon and 64 hexadecimal digits`},
		"a hash in capitals":  {text: "1:" + strings.ToUpper(hash), err: `reading the head "1:` + strings.ToUpper(hash) + `": it must be a number, a colon and 64 hexadecimal digits`},
		"a negative sequence": {text: "-1:" + hash, err: `reading the head "-1:` + hash + `": it must be a number, a colon and 64 hexadecimal digits`},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := ParseHead(tc.text)
			said := ""
			if err != nil {
				said = err.Error()
			}
			if got != tc.want || said != tc.err {
				t.Errorf("ParseHead() = %v, %q; want %v, %q", got, said, tc.want, tc.err)
			}
			if err == nil && got.String() != tc.text {
				t.Errorf("String() = %q, want %q", got.String(), tc.text)
			}
		})
	}
}

// FuzzParseLine: whatever stands in a file, reading it neither fails otherwise than by
// an error nor takes for intact what is not.
func FuzzParseLine(f *testing.F) {
	line, next, err := Encode(Head{}, noon(), denied(1))
	if err != nil {
		f.Fatal(err)
	}
	start, _, err := EncodeStart(next, noon(), Start{Sink: SinkFile, Because: becauseNew})
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range []string{
		string(line), string(start), string(line[:len(line)/2]), "", "{}", linePrefix, strings.Replace(string(line), "alice", "mallory", 1),
		strings.Replace(string(line), `"seq":1`, `"seq":-1`, 1), strings.Replace(string(line), `"record"`, `"start":{},"record"`, 1),
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		l, err := ParseLine(text)
		if err != nil {
			if l != (Line{}) {
				t.Errorf("an error comes with %+v", l)
			}
			return
		}
		if l.Seq == 0 || !IsLine(text) || l.Start != nil && l.Record != "" {
			t.Errorf("took %q for %+v", text, l)
		}
		at := strings.LastIndex(string(text), hashKey)
		if sum := sha256.Sum256(text[:at]); l.Intact != (hex.EncodeToString(sum[:]) == l.Hash) {
			t.Errorf("Intact = %v of %q", l.Intact, text)
		}
	})
}
