package main

import (
	"bytes"
	"errors"
	"fmt"
	"runtime/debug"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestReport(t *testing.T) {
	refusal := `admission webhook "gate.gitlatch.dev" denied the request: OutOfBand: apps/Deployment prod/web is changed through git only.
  policy: cluster    you: alice    record: cr-7f3k9q2m`
	tests := []struct {
		name string
		err  error
		want outcome
	}{
		{"what cobra refuses is bad usage", errors.New("unknown flag: --x"), outcome{Err: "error: unknown flag: --x\n", Code: 2}},
		{"an error of several lines becomes one", badInput(errors.New("a\nb")), outcome{Err: "error: a; b\n", Code: 2}},
		{"the gate's refusal is printed as it is", &exitError{code: 1, err: errors.New(refusal)}, outcome{Err: refusal + "\n", Code: 1}},
		{"so is that of what is built in", &exitError{code: 1, err: errors.New(strings.Replace(refusal, "gate.", "builtin.gate.", 1))},
			outcome{Err: strings.Replace(refusal, "gate.", "builtin.gate.", 1) + "\n", Code: 1}},
		{"a result without an error is silent", &exitError{code: 1}, outcome{Code: 1}},
		{"a reader that has had enough is no error to tell", fmt.Errorf("writing: %w", syscall.EPIPE), outcome{Code: 1}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var out bytes.Buffer
			code := report(&out, test.err)
			if diff := cmp.Diff(test.want, outcome{Err: out.String(), Code: code}); diff != "" {
				t.Errorf("report (-want +got):\n%s", diff)
			}
		})
	}
}

func TestVersionSaysWhatTheToolchainStamped(t *testing.T) {
	info := &debug.BuildInfo{GoVersion: "go1.26.8", Main: debug.Module{Version: "v0.1.0"}, Settings: []debug.BuildSetting{
		{Key: "vcs.revision", Value: "3f2c1ab"}, {Key: "vcs.time", Value: "2026-03-02T12:00:00Z"}, {Key: "vcs.modified", Value: "true"},
	}}
	want := build{Version: "v0.1.0", Revision: "3f2c1ab", Time: "2026-03-02T12:00:00Z", Modified: true, Go: "go1.26.8"}
	if diff := cmp.Diff(want, buildOf(info)); diff != "" {
		t.Errorf("build (-want +got):\n%s", diff)
	}
	if got, want := want.String(), "kubectl-gitlatch v0.1.0 3f2c1ab (modified) go1.26.8"; got != want {
		t.Errorf("version %q, want %q", got, want)
	}
}
