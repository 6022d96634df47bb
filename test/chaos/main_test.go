package main

import (
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gitlatch/gitlatch/test/figures"
)

func TestTheCommandLineIsRead(t *testing.T) {
	got, err := parse([]string{"-only", "etcd,slow", "-seed", "42", "-for", "10m", "-kills", "7", "-short", "-o", "json"}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	want := &options{output: "json", only: []string{"etcd", "slow"}, short: true, seed: 42, length: 10 * time.Minute, kills: 7}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(options{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestMistakesOnTheCommandLineAreNamed(t *testing.T) {
	for want, args := range map[string][]string{
		`-only: there is no scenario "flod"`:                      {"-only", "flod"},
		`there is no argument "etcd"; scenarios go with -only`:    {"etcd"},
		`-o "yaml" is neither table nor json`:                     {"-o", "yaml"},
		`-for -1s is no time to come`:                             {"-for", "-1s"},
		`-kills -3 is no number of kills`:                         {"-kills", "-3"},
		`flag provided but not defined: -fast`:                    {"-fast"},
		`invalid value "soon" for flag -for: parse error`:         {"-for", "soon"},
		`invalid value "many" for flag -kills: parse error`:       {"-kills", "many"},
		`invalid value "x" for flag -seed: parse error`:           {"-seed", "x"},
		`invalid boolean value "perhaps" for -short: parse error`: {"-short=perhaps"},
		`flag needs an argument: -only`:                           {"-only"},
	} {
		if _, err := parse(args, io.Discard); err == nil || strings.TrimPrefix(err.Error(), "reading the command line: ") != want {
			t.Errorf("%v: %v, not %s", args, err, want)
		}
	}
}

func TestScenariosHaveNamesOfTheirOwn(t *testing.T) {
	all := names()
	if len(slices.Compact(slices.Sorted(slices.Values(all)))) != len(all) || len(all) == 0 {
		t.Errorf("scenarios: %v", all)
	}
	var listed strings.Builder
	if err := list(&listed); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(listed.String(), "\n"); n != len(all) {
		t.Errorf("%d of %d are listed:\n%s", n, len(all), listed.String())
	}
}

func TestLengthsComeFromTheFlagsFirst(t *testing.T) {
	for _, c := range []struct {
		options options
		lasts   time.Duration
		kills   int
	}{
		{options{}, time.Minute, 300},
		{options{short: true}, time.Second, 3},
		{options{short: true, length: time.Hour, kills: 9}, time.Hour, 9},
	} {
		scenario := &chaos{options: &c.options}
		if lasts, n := scenario.lasts(time.Minute, time.Second), scenario.kills(300, 3); lasts != c.lasts || n != c.kills {
			t.Errorf("%+v: %s and %d kills", c.options, lasts, n)
		}
	}
}

// reports are of two scenarios: one that broke a promise, and one that could not be carried out.
func reports() []*report {
	return []*report{
		{Scenario: "etcd", About: "etcd stopped", Seconds: 61, Figures: []figure{
			{Name: "slowest denial", Value: figures.Value{Number: 1.5e6, Unit: figures.Time}, Promise: "< 3000.00 ms"},
			{Name: "writes past the gate", Value: figures.Value{Number: 2}, Promise: "none", Broken: true},
			{Name: "records", Value: figures.Value{Number: 7}},
		}},
		{Scenario: "full", About: "etcd full", Seconds: 3, Error: "starting a cluster: no space"},
	}
}

func TestTheTableShowsEachFigureBesideItsPromise(t *testing.T) {
	var out strings.Builder
	if err := write(&out, &options{output: "table", seed: 42}, reports(), circumstances{Processors: 2, LoadAverage: "0.42", Seconds: 64}); err != nil {
		t.Fatal(err)
	}
	const want = `
etcd: etcd stopped (61 s)
  slowest denial         1.50 ms   kept: < 3000.00 ms
  writes past the gate   2         BROKEN: none
  records                7         

full: etcd full (3 s)
  NOT CARRIED OUT: starting a cluster: no space

1 of 2 promises kept, in 64 s on 2 processors, which had a load of 0.42 before; seed 42
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestTheFiguresAreThereForAProgramToo(t *testing.T) {
	var out strings.Builder
	if err := write(&out, &options{output: "json", seed: 42}, reports()[:1], circumstances{Processors: 2, Seconds: 64}); err != nil {
		t.Fatal(err)
	}
	const want = `{
  "circumstances": {
    "processors": 2,
    "seconds": 64
  },
  "scenarios": [
    {
      "scenario": "etcd",
      "about": "etcd stopped",
      "figures": [
        {
          "name": "slowest denial",
          "number": 1500000,
          "unit": "ns",
          "promise": "< 3000.00 ms"
        },
        {
          "name": "writes past the gate",
          "number": 2,
          "promise": "none",
          "broken": true
        },
        {
          "name": "records",
          "number": 7
        }
      ],
      "seconds": 61
    }
  ],
  "seed": 42
}
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestABrokenPromiseIsAnError(t *testing.T) {
	err := verdict(t.Context(), reports())
	const want = "promises: etcd: 1 broken; full: starting a cluster: no space"
	if err == nil || err.Error() != want {
		t.Errorf("got %v, not %s", err, want)
	}
	kept := reports()[:1]
	kept[0].Figures = kept[0].Figures[:1]
	if err := verdict(t.Context(), kept); err != nil {
		t.Errorf("all promises are kept, and it says %v", err)
	}
}

func TestKindsTakeTurnsByTheirShares(t *testing.T) {
	l := &load{kinds: []*kind{{name: "a", share: 3}, {name: "b", share: 1}, {name: "c", share: 2}}}
	var got []string
	for _, k := range l.turns() {
		got = append(got, k.name)
	}
	if diff := cmp.Diff([]string{"a", "c", "a", "b", "c", "a"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
