package main

import (
	"bytes"
	"encoding/json"
)

// dashboard is Grafana's JSON model of the panels. Which Prometheus is asked is a variable of the dashboard.
func dashboard() ([]byte, error) {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetIndent("", " ")
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(object{
		"uid":           "gitlatch",
		"title":         "Gitlatch",
		"description":   "Is the gate shut, who tries to go around git, what of it waits for a review, and does the cluster match git?",
		"tags":          []string{"gitlatch", "gitops"},
		"schemaVersion": 39, // Grafana 10.3; later ones migrate it
		"editable":      true,
		"refresh":       "1m",
		"time":          object{"from": "now-24h", "to": "now"},
		"timezone":      "browser",
		"templating": object{"list": []object{{
			"name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus", "refresh": 1, "hide": 0,
		}}},
		"links": []object{{
			"type": "link", "title": "Runbooks", "icon": "doc", "targetBlank": true,
			"url": "https://github.com/gitlatch/gitlatch/tree/main/docs/runbooks",
		}},
		"panels": laidOut(rows()),
	})
	return out.Bytes(), err
}

type object = map[string]any

// width of Grafana's grid.
const width = 24

// row is a question, and the panels that answer it.
type row struct {
	title  string
	panels []panel
}

// panel shows queries over time, or, as a stat, their last value.
type panel struct {
	title, help string
	stat        bool
	wide        int
	unit        string
	queries     []query
	words       []word  // a stat's values that have a name
	red         float64 // a stat is red from here on; 0: never
	below       bool    // or red below it
}

type query struct{ expr, legend string }

type word struct {
	value string
	text  string
	color string
}

// laidOut puts rows below each other, and panels from left to right.
func laidOut(rows []row) []object {
	var out []object
	y := 0
	for _, r := range rows {
		out = append(out, object{"id": len(out) + 1, "type": "row", "title": r.title, "collapsed": false, "panels": []object{},
			"gridPos": object{"x": 0, "y": y, "w": width, "h": 1}})
		y++
		x, tallest := 0, 0
		for _, p := range r.panels {
			if x+p.wide > width {
				x, y, tallest = 0, y+tallest, 0
			}
			out = append(out, p.model(len(out)+1, x, y))
			x, tallest = x+p.wide, max(tallest, p.height())
		}
		y += tallest
	}
	return out
}

func (p panel) height() int {
	if p.stat {
		return 4
	}
	return 8
}

func (p panel) model(id, x, y int) object {
	source := object{"type": "prometheus", "uid": "${datasource}"}
	var targets []object
	for i, q := range p.queries {
		targets = append(targets, object{
			"refId": string(rune('A' + i)), "datasource": source, "expr": q.expr, "legendFormat": q.legend,
			"instant": p.stat, "range": !p.stat,
		})
	}
	model := object{
		"id": id, "title": p.title, "description": p.help, "datasource": source, "targets": targets,
		"gridPos": object{"x": x, "y": y, "w": p.wide, "h": p.height()},
	}
	if p.stat {
		model["type"] = "stat"
		model["options"] = object{"reduceOptions": object{"calcs": []string{"lastNotNull"}}, "colorMode": "background", "graphMode": "none"}
		model["fieldConfig"] = object{"defaults": object{"unit": p.unit, "noValue": "not known", "mappings": p.mappings(), "thresholds": p.thresholds()}, "overrides": []object{}}
		return model
	}
	model["type"] = "timeseries"
	model["options"] = object{"legend": object{"displayMode": "list", "placement": "bottom"}, "tooltip": object{"mode": "multi", "sort": "desc"}}
	model["fieldConfig"] = object{"defaults": object{"unit": p.unit, "min": 0, "custom": object{"fillOpacity": 10, "showPoints": "never"}}, "overrides": []object{}}
	return model
}

func (p panel) mappings() []object {
	options := object{}
	for i, w := range p.words {
		options[w.value] = object{"index": i, "text": w.text, "color": w.color}
	}
	if len(options) == 0 {
		return []object{}
	}
	return []object{{"type": "value", "options": options}}
}

func (p panel) thresholds() object {
	steps := []object{{"color": "green", "value": nil}}
	switch {
	case p.below:
		steps = []object{{"color": "red", "value": nil}, {"color": "green", "value": p.red}}
	case p.red != 0:
		steps = append(steps, object{"color": "red", "value": p.red})
	}
	return object{"mode": "absolute", "steps": steps}
}
