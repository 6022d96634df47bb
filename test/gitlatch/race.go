package gitlatch

import (
	"fmt"
	"os"
	"regexp"
	"runtime/debug"
	"strconv"
	"strings"
)

// RaceVariable names the environment variable that has our commands built with the race detector ("1") or without it
// ("0"), whatever the test itself is built with. It needs a C compiler. Unset, they are built as the test is.
const RaceVariable = "GITLATCH_TEST_RACE"

// raced says whether commands are built with the race detector.
func raced() (bool, error) {
	if set := os.Getenv(RaceVariable); set != "" {
		wanted, err := strconv.ParseBool(set)
		if err != nil {
			return false, fmt.Errorf("reading %s: %q is neither 0 nor 1", RaceVariable, set)
		}
		return wanted, nil
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return false, nil
	}
	for _, setting := range info.Settings {
		if setting.Key == "-race" {
			return setting.Value == "true", nil
		}
	}
	return false, nil
}

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
