package house

import (
	"go/parser"
	"go/token"
	"testing"
)

// A law that finds nothing proves nothing: these are what it must find, and what it must leave alone.

func TestWhatCountsAsConstant(t *testing.T) {
	for expression, want := range map[string]bool{
		`errors.New("no window")`:         true,
		`regexp.MustCompile("^INC")`:      true,
		`sets.New[string]("get")`:         true,
		`map[string]bool{"get": true}`:    true,
		`[]byte("denied")`:                true,
		`3 * time.Second`:                 true,
		`v1.GV.WithResource("pods")`:      true,
		`GVR{Group: "a"}.GroupResource()`: true,
		`func() int { return 1 }`:         true,
		`make(map[string]int)`:            false,
		`sync.Mutex{}`:                    false,
		`&cache{mu: sync.Mutex{}}`:        false,
		`new(int)`:                        false,
		`prometheus.NewCounter(o)`:        false,
		`load()`:                          false,
	} {
		parsed, err := parser.ParseExpr(expression)
		if err != nil {
			t.Fatal(err)
		}
		if got := constant(parsed); got != want {
			t.Errorf("%s: constant is %t, not %t", expression, got, want)
		}
	}
}

func TestWhatCountsAsAWrite(t *testing.T) {
	for statement, want := range map[string]bool{
		`state = 1`:              true,
		`state++`:                true,
		`state["a"] = 1`:         true,
		`state.field.deep = 1`:   true,
		`*state = 1`:             true,
		`use(&state)`:            true,
		`delete(state, "a")`:     true,
		`clear(state)`:           true,
		`use(state)`:             false,
		`x := state["a"]; _ = x`: false,
		`use(&Literal{})`:        false,
	} {
		file, err := parser.ParseFile(token.NewFileSet(), "x.go", "package x\nfunc f() { "+statement+" }", parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		got := false
		for _, name := range writes(file) {
			got = got || name.Name == "state"
		}
		if got != want {
			t.Errorf("%s: a write is %t, not %t", statement, got, want)
		}
	}
}

func TestWhichRoomsMayImportWhich(t *testing.T) {
	for _, arrow := range []struct {
		from, to string
		want     bool
	}{
		{"cmd/webhook", "webhook/registration", true},
		{"cmd/webhook", "cmd/kubectl-gitlatch", false},
		{"webhook", "policy", true},
		{"webhook/registration", "reporter/record", true},
		{"webhook", "reporter/audit", false},
		{"webhook", "applier", false},
		{"applier", "webhook", false},
		{"policy", "reporter/record", false},
		{"reporter/record", "policy", false},
		{"reporter/audit", "policy", true},
		{"api/v1alpha1", "policy", false},
		{"webhook", "test/cluster", false},
		{"test/cluster", "test/gitlatch", false},
		{"e2e", "test/gitlatch", true},
	} {
		allowed, ok := arrows(arrow.from)
		if got := ok && within(arrow.to, allowed...); got != arrow.want {
			t.Errorf("%s importing %s: allowed is %t, not %t", arrow.from, arrow.to, got, arrow.want)
		}
	}
}
