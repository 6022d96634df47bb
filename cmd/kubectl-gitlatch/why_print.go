package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/applier/git"
	"github.com/gitlatch/gitlatch/applier/history"
)

// whyAnswer is what is printed.
type whyAnswer struct {
	Object     whyObject `json:"object"`
	Sync       string    `json:"sync,omitempty"`
	Repository string    `json:"repository,omitempty"`
	Path       string    `json:"path"`
	// Commit that the cluster has, or the clone's HEAD.
	Commit string `json:"commit"`
	// Declared there, by File.
	Declared bool   `json:"declared"`
	File     string `json:"file,omitempty"`
	// Changes, newest first: the last one, or all.
	Changes []whyChange `json:"changes"`
	// Records of what was tried around git, oldest first.
	Records []v1alpha1.ChangeRecord `json:"records,omitempty"`
}

type whyObject struct {
	Group     string `json:"group,omitempty"`
	Kind      string `json:"kind"`
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name"`
}

// whyChange is one commit that changed the object.
type whyChange struct {
	Commit    string    `json:"commit"`
	Change    string    `json:"change"` // Added, Changed or Removed
	Author    whyPerson `json:"author"`
	Committer whyPerson `json:"committer"`
	Signer    string    `json:"signer,omitempty"`
	Key       string    `json:"key,omitempty"`
	Reviewers []string  `json:"reviewers,omitempty"`
	// Unverified is why a signature that is there does not count.
	Unverified string `json:"unverified,omitempty"`
	Subject    string `json:"subject"`
	Body       string `json:"body,omitempty"`
	File       string `json:"file"`
	Link       string `json:"link,omitempty"`
	// Shallow: the clone ends here; an earlier commit may be the one.
	Shallow bool `json:"shallow,omitempty"`
}

// whyPerson is an author or a committer, by their own word.
type whyPerson struct {
	Name  string    `json:"name"`
	Email string    `json:"email"`
	Date  time.Time `json:"date"`
}

func whyPersonOf(p git.Person) whyPerson {
	return whyPerson{Name: p.Name, Email: p.Email, Date: p.When}
}

func (p whyPerson) String() string {
	if p.Email == "" {
		return p.Name
	}
	return fmt.Sprintf("%s <%s>", p.Name, p.Email)
}

func whyChangeOf(c history.Change, remote string) whyChange {
	return whyChange{Commit: c.Hash, Change: string(c.Kind), Author: whyPersonOf(c.Author), Committer: whyPersonOf(c.Committer),
		Subject: c.Subject, Body: c.Body, File: c.File, Link: commitLink(remote, c.Hash), Shallow: c.Shallow}
}

// printWhy prints an answer for people.
func printWhy(out io.Writer, answer *whyAnswer, now time.Time) error {
	s := &sheet{}
	object := answer.Object
	s.row("Object", describe(object.Group, object.Kind, object.Namespace, object.Name))
	s.row("Sync", answer.Sync)
	s.row("At", answer.Commit)
	if !answer.Declared {
		s.row("Declared", "no: git no longer declares it")
	}
	for i := range answer.Changes {
		s.WriteString("\n")
		printChange(s, &answer.Changes[i], now)
	}
	if len(answer.Records) > 0 {
		s.WriteString("\nTried around git:\n")
		if err := printTable(s, answer.Records, false, now); err != nil {
			return err
		}
	}
	_, err := io.WriteString(out, s.String())
	return err
}

func printChange(s *sheet, c *whyChange, now time.Time) {
	s.row(c.Change, c.Commit)
	if c.Shallow {
		s.row("Note", "the clone ends here, so an earlier commit may be the one: git fetch --unshallow")
	}
	s.row("Author", c.Author.String())
	if c.Committer.Name != c.Author.Name || c.Committer.Email != c.Author.Email {
		s.row("Committer", c.Committer.String())
	}
	s.row("Date", join(stamp(c.Committer.Date), age(c.Committer.Date, now)+" ago"))
	s.row("Signed by", join(c.Signer, c.Key))
	s.row("Signature", withLabel("not verified:", c.Unverified))
	s.row("Reviewers", strings.Join(c.Reviewers, ", "))
	s.row("File", c.File)
	s.row("Link", c.Link)
	fmt.Fprintf(s, "\n    %s\n", line(c.Subject))
	if c.Body == "" {
		return
	}
	s.WriteString("\n")
	for text := range strings.Lines(c.Body) {
		fmt.Fprintln(s, strings.TrimRight("    "+line(strings.TrimRight(text, "\r\n")), " "))
	}
}
