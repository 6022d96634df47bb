package audit

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

const event = `{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"Metadata","stage":"ResponseComplete","verb":"get"}`

// readAll tells each line: its number and what came of it.
func readAll(r *Reader) []string {
	var told []string
	for {
		entry, err := r.Next()
		var problem *Problem
		switch {
		case errors.Is(err, io.EOF):
			return told
		case errors.As(err, &problem):
			told = append(told, fmt.Sprintf("%v truncated=%t", problem, problem.Truncated))
		case err != nil:
			return append(told, "error: "+err.Error())
		default:
			told = append(told, fmt.Sprintf("line %d: %s", entry.Line, entry.Event.Verb))
		}
	}
}

func TestReader(t *testing.T) {
	tests := []struct {
		name, log string
		want      []string
	}{
		{"an empty log has no lines", "", nil},
		{"blank lines are no problem and are counted", "\n  \r\n" + event + "\n", []string{"line 3: get"}},
		{"a last line without a newline that is whole is read", event + "\n" + event, []string{"line 1: get", "line 2: get"}},
		{"a last line that ends in the middle is said to be truncated", event + "\n" + event[:40],
			[]string{"line 1: get", "line 2: ends in the middle truncated=true"}},
		{"a foreign line is named and passed over", "I0302 started\n" + event + "\n",
			[]string{"line 1: not JSON truncated=false", "line 2: get"}},
		{"an object of another kind is named", `{"kind":"Pod","apiVersion":"v1"}` + "\n",
			[]string{"line 1: not an Event of audit.k8s.io/v1 truncated=false"}},
		{"an event of the cluster, not of the audit, is named", `{"kind":"Event","apiVersion":"v1"}` + "\n",
			[]string{"line 1: not an Event of audit.k8s.io/v1 truncated=false"}},
		{"a field of another type is named without its value", `{"kind":"Event","apiVersion":"audit.k8s.io/v1","verb":["hunter2"]}` + "\n",
			[]string{"line 1: not an audit event: a field of another type truncated=false"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, readAll(NewReader(strings.NewReader(test.log)))); diff != "" {
				t.Errorf("lines (-want +got):\n%s", diff)
			}
		})
	}
}

func TestReaderPassesOverALineThatIsTooLong(t *testing.T) {
	r := NewReader(strings.NewReader(event + "\n" + strings.Repeat("x", 300<<10) + "\n" + event + "\n"))
	r.limit = 200 << 10
	want := []string{"line 1: get", "line 2: longer than 204800 bytes truncated=false", "line 3: get"}
	if diff := cmp.Diff(want, readAll(r)); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
}

func TestReaderReadsAnEventOf40MiB(t *testing.T) {
	pad := strings.Repeat("<", 40<<20)
	long := strings.TrimSuffix(event, "}") + `,"responseObject":{"data":"` + pad + `"}}`
	want := []string{"line 1: get", "line 2: get"}
	if diff := cmp.Diff(want, readAll(NewReader(strings.NewReader(long+"\n"+event+"\n")))); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
}

func TestReaderEndsWithAnErrorOfItsSource(t *testing.T) {
	source := io.MultiReader(strings.NewReader(event+"\n"), iotest.ErrReader(errors.New("disk gone")))
	want := []string{"line 1: get", "error: reading line 2: disk gone"}
	if diff := cmp.Diff(want, readAll(NewReader(source))); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
}

func FuzzTranslate(f *testing.F) {
	for _, line := range sampleLines(f) {
		f.Add(line)
	}
	f.Add([]byte(event))
	f.Add([]byte(`{"kind":"Event","apiVersion":"audit.k8s.io/v1","stage":"ResponseComplete","verb":"deletecollection",` +
		`"objectRef":{"resource":"pods"},"responseObject":{"items":[1,{"metadata":[]}]}}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		translator := NewTranslator(install, 1<<16)
		reader := NewReader(strings.NewReader(string(line)))
		for {
			entry, err := reader.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				continue
			}
			for range 2 { // the second time with a memory of the first
				attempts, skip := translator.Translate(entry)
				if (len(attempts) == 0) == (skip == "") {
					t.Fatalf("%d attempts and skip %q", len(attempts), skip)
				}
				for _, a := range attempts {
					if a.Request.Operation == "" || a.Line == 0 {
						t.Fatalf("an attempt without operation or line: %+v", a)
					}
				}
			}
		}
		if translator.objects.used > translator.objects.budget {
			t.Fatalf("%d bytes remembered of %d", translator.objects.used, translator.objects.budget)
		}
	})
}
