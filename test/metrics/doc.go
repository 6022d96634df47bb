// Package metrics knows which metrics the commands declare ([Declared], read from the source), which ones a process
// shows ([Scrape]), and which ones a query asks for ([Used]), so that tests can hold the alert rules, the dashboard and
// the reference page against what there really is. A query whose metric was renamed is not an error to Prometheus: it
// answers nothing, and the alert never fires.
//
// It may import the standard library and Prometheus' own parser of what a process shows, and nothing of Gitlatch.
package metrics
