package main

import (
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The line that is replaced must be there, once, or the scenario's clocks would all be right.
func TestTheWebhooksClockCanBeMoved(t *testing.T) {
	source, err := os.ReadFile(filepath.Join("..", "..", clockFile))
	if err != nil {
		t.Fatal(err)
	}
	moved, err := moveClock(string(source))
	if err != nil || !strings.Contains(moved, clockMoved) {
		t.Fatalf("%v\n%s", err, moved)
	}
	if _, err := parser.ParseFile(token.NewFileSet(), clockFile, moved, 0); err != nil {
		t.Error(err)
	}
	if _, err := moveClock(moved); err == nil {
		t.Error("a source without the line is taken for one with it")
	}
}
