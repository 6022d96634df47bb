package gitlatch

import (
	"fmt"
	"os"
	"regexp"
	"runtime/debug"
	"strings"
)

// raced says whether this test has the race detector; then the commands that it starts are built with it.
func raced() bool {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return false
	}
	for _, setting := range info.Settings {
		if setting.Key == "-race" {
			return setting.Value == "true"
		}
	}
	return false
}

// raceAll in the environment has the webhook raced as well.
const raceAll = "GITLATCH_TEST_RACE"

// mayRace leaves the webhook out: under the detector an answer takes ten times as long, and on a small machine the API
// server does not wait for it. What a test then sees is a gate that failed open.
func mayRace(name string) bool { return name != webhook || os.Getenv(raceAll) == "all" }

// raceReport is how the race detector writes what it found.
var raceReport = regexp.MustCompile(`(?s)={18}\nWARNING: DATA RACE\n.*?\n={18}\n`)

// races are the data races that a process's log tells of.
func races(log string) []string {
	if !strings.Contains(log, "WARNING: DATA RACE") {
		return nil
	}
	if found := raceReport.FindAllString(log, -1); found != nil {
		return found
	}
	return []string{log} // it was killed while it wrote
}

// insist panics when a process that we started had a data race: of those who stop an installation, many don't look at
// the error.
func (g *Gitlatch) insist() {
	var all []*member
	for _, r := range g.replicas {
		all = append(all, r.member)
	}
	if g.applier != nil {
		all = append(all, g.applier.member)
	}
	if g.reporter != nil {
		all = append(all, g.reporter.member)
	}
	for _, m := range all {
		if found := races(m.Logs()); len(found) > 0 {
			panic(fmt.Sprintf("%s had %d data races, the first of them:\n%s", m.name, len(found), found[0]))
		}
	}
}
