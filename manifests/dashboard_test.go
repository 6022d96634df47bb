package manifests_test

import (
	"encoding/json"
	"regexp"
	"slices"
	"testing"

	"github.com/gitlatch/gitlatch/test/metrics"
)

// TestQueriesAskForWhatThereIs: a query for a metric or a label that no command has answers nothing, and says nothing.
// That the commands really show what their source declares is asserted in e2e/monitoring.
func TestQueriesAskForWhatThereIs(t *testing.T) {
	declared, err := metrics.Declared("..")
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range alerts(t) {
		if err := metrics.Check(a.Expr, declared); err != nil {
			t.Errorf("%s: %v", a.Alert, err)
		}
	}
	asked := 0
	for _, panel := range panels(t) {
		for _, target := range panel.Targets {
			asked++
			if err := metrics.Check(target.Expr, declared); err != nil {
				t.Errorf("the panel %q: %v", panel.Title, err)
			}
			legend := regexp.MustCompile(`\{\{(\w+)\}\}`).FindAllStringSubmatch(target.LegendFormat, -1)
			_, groups := metrics.Used(target.Expr)
			for _, label := range legend {
				if !slices.Contains(groups, label[1]) {
					t.Errorf("the panel %q: its legend shows %s, which %s does not keep", panel.Title, label[1], target.Expr)
				}
			}
		}
	}
	if asked == 0 {
		t.Error("the dashboard asks for nothing")
	}
}

type panel struct {
	ID      int    `json:"id"`
	Type    string `json:"type"`
	Title   string `json:"title"`
	Targets []struct {
		Expr         string `json:"expr"`
		LegendFormat string `json:"legendFormat"`
		Datasource   struct {
			UID string `json:"uid"`
		} `json:"datasource"`
	} `json:"targets"`
	GridPos struct{ X, Y, W, H int } `json:"gridPos"`
}

func panels(t *testing.T) []panel {
	t.Helper()
	var board struct {
		Panels []panel `json:"panels"`
	}
	if err := json.Unmarshal(read(t, "monitoring/dashboard.json"), &board); err != nil {
		t.Fatal(err)
	}
	return board.Panels
}

// TestThePanelsStandApart: no two share a place or a number, none leaves the grid, and all ask the Prometheus that the
// viewer chose.
func TestThePanelsStandApart(t *testing.T) {
	taken, ids := map[[2]int]string{}, map[int]bool{}
	for _, p := range panels(t) {
		if ids[p.ID] {
			t.Errorf("the panel %q has the number %d of another", p.Title, p.ID)
		}
		ids[p.ID] = true
		for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
			for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
				if other, ok := taken[[2]int{x, y}]; ok || x >= 24 {
					t.Fatalf("the panel %q at %d,%d is over %q or the edge", p.Title, x, y, other)
				}
				taken[[2]int{x, y}] = p.Title
			}
		}
		if p.Type != "row" && len(p.Targets) == 0 {
			t.Errorf("the panel %q shows nothing", p.Title)
		}
		for _, target := range p.Targets {
			if target.Datasource.UID != "${datasource}" {
				t.Errorf("the panel %q asks %q", p.Title, target.Datasource.UID)
			}
		}
	}
}
