package gitlatch

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gitlatch/gitlatch/test/process"
)

const oneRace = `==================
WARNING: DATA RACE
Write at 0x00c000012345 by goroutine 7:
  main.main.func1()
==================
`

func TestADataRaceOfAProcessIsFoundInItsLog(t *testing.T) {
	tests := []struct {
		name, log string
		want      []string
	}{
		{"no log", "", nil},
		{"a log without a race", "2026 INFO serving\n", nil},
		{"two races among other lines", "INFO a\n" + oneRace + "INFO b\n" + oneRace + "INFO c\n", []string{oneRace, oneRace}},
		{"a race that was not told to its end", "==================\nWARNING: DATA RACE\nWrite at", []string{"==================\nWARNING: DATA RACE\nWrite at"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, races(test.log)); diff != "" {
				t.Errorf("races (-want +got):\n%s", diff)
			}
		})
	}
}

func TestStoppingAnInstallationThatRacedPanics(t *testing.T) {
	log := filepath.Join(t.TempDir(), "webhook-0.log")
	if err := os.WriteFile(log, []byte("INFO a\n"+oneRace), 0o600); err != nil {
		t.Fatal(err)
	}
	g := &Gitlatch{replicas: []*replica{{member: &member{name: "webhook-0", command: process.Command{LogFile: log}}}}}
	defer func() {
		want := "webhook-0 had 1 data races, the first of them:\n" + oneRace
		if diff := cmp.Diff(any(want), recover()); diff != "" {
			t.Errorf("panic (-want +got):\n%s", diff)
		}
	}()
	if err := g.Stop(); err != nil {
		t.Error(err)
	}
}

func TestTheRaceDetectorIsBuiltInWhereTheTestHasIt(t *testing.T) {
	for race, want := range map[bool]string{true: "CGO_ENABLED=1", false: "CGO_ENABLED=0"} {
		cmd := building(t.Context(), "/src", "/bin/webhook", "webhook", race)
		if got := strings.Join(cmd.Args, " "); strings.Contains(got, " -race ") != race {
			t.Errorf("%t: the command is %s", race, got)
		}
		if got := cmd.Env[len(cmd.Env)-1]; got != want {
			t.Errorf("%t: the environment ends with %s, want %s", race, got, want)
		}
	}
}
