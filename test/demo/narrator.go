package main

import (
	"fmt"
	"io"
	"os"
	"strings"
)

// narrator writes for a person who watches. There is colour only on a terminal, and none where NO_COLOR is set.
type narrator struct {
	w      io.Writer
	colour bool
}

func newNarrator(f *os.File) *narrator {
	info, err := f.Stat()
	terminal := err == nil && info.Mode()&os.ModeCharDevice != 0
	return &narrator{w: f, colour: terminal && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"}
}

const (
	bold  = "1"
	green = "32"
	red   = "31"
	cyan  = "36"
)

func (n *narrator) paint(code, text string) string {
	if !n.colour {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

func (n *narrator) title(text string) {
	fmt.Fprintf(n.w, "\n%s\n", n.paint(bold, "== "+text))
}

func (n *narrator) say(text string) {
	if text != "" {
		text = "  " + text
	}
	fmt.Fprintln(n.w, text)
}

// command shows what somebody types.
func (n *narrator) command(who string, args []string) {
	words := make([]string, len(args))
	for i, arg := range args {
		words[i] = quoted(arg)
	}
	fmt.Fprintf(n.w, "\n%s\n", n.paint(cyan, who+"$ "+strings.Join(words, " ")))
}

// answer shows what came back.
func (n *narrator) answer(text string) {
	for _, line := range strings.Split(strings.TrimRight(text, "\n"), "\n") {
		if line != "" {
			fmt.Fprintln(n.w, "    "+line)
		}
	}
}

func quoted(arg string) string {
	if arg != "" && !strings.ContainsAny(arg, " \t\n\"'\\$*?;&|<>()") {
		return arg
	}
	return "'" + strings.ReplaceAll(arg, "'", `'\''`) + "'"
}
