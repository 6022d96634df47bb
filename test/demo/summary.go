package main

import (
	"fmt"
	"strings"
	"time"
)

// sight is one thing that was to be seen; wrong says what was seen instead.
type sight struct {
	what  string
	wrong error
}

func (d *demo) saw(what string, wrong error) { d.seen = append(d.seen, sight{what, wrong}) }

// summary prints the table, and is an error when anything was missing from it.
func (d *demo) summary(took time.Duration) error {
	d.out.title("What was seen")
	failed := 0
	for _, s := range d.seen {
		verdict := d.out.paint(green, "OK    ")
		if s.wrong != nil {
			verdict = d.out.paint(red, "FAILED")
			failed++
		}
		d.out.say(verdict + "  " + s.what)
		if s.wrong != nil {
			d.out.answer("      " + strings.ReplaceAll(s.wrong.Error(), "\n", "\n      "))
		}
	}
	if failed > 0 {
		return fmt.Errorf("%d of %d things did not happen", failed, len(d.seen))
	}
	d.out.say("")
	d.out.say(fmt.Sprintf("All %d, in %.0f s. Try it yourself: make up", len(d.seen), took.Seconds()))
	return nil
}
