package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/reporter/record"
)

// patienceWithGit is how long a repository may take to be fetched and read.
const patienceWithGit = 90 * time.Second

type webStory struct {
	Declared, Problem string
	Events            []webEvent
}

// webEvent is a commit, or something that was tried around git.
type webEvent struct {
	Kind, Who, What, Link, Detail string
	At                            time.Time
}

// External says that a link leads to another place.
func (*webStory) External(link string) bool { return !strings.HasPrefix(link, "/") }

// story shows what became of an object, in git and around it, the newest first.
func (s *site) story(w http.ResponseWriter, r *http.Request) {
	s.greet(r)
	asked := r.URL.Query()
	if asked.Get("kind") == "" || asked.Get("name") == "" {
		s.wrong(w, r, http.StatusBadRequest, "Which object?", "A record's page leads to its story.")
		return
	}
	ctx, stop := context.WithTimeout(r.Context(), patienceWithGit)
	defer stop()
	view, title := s.tell(ctx, asked)
	s.show(w, r, webView{title: title, template: "story", content: view})
}

func (s *site) tell(ctx context.Context, asked url.Values) (*webStory, string) {
	w := &why{server: s.server.in(asked.Get("namespace")), history: true, repo: s.repo, now: s.now,
		IOStreams: genericiooptions.IOStreams{Out: s.errOut, ErrOut: s.errOut}}
	kind := asked.Get("kind")
	if group := asked.Get("group"); group != "" {
		kind += "." + group
	}
	view := &webStory{Declared: "Where git declares it is not known."}
	found, err := w.find([]string{kind, asked.Get("name")})
	if err != nil { // its records may still be there
		found = &subject{kind: schema.GroupVersionKind{Group: asked.Get("group"), Kind: asked.Get("kind")}, resource: asked.Get("kind"),
			namespace: asked.Get("namespace"), name: asked.Get("name")}
	} else {
		err = view.fromGit(ctx, w, found)
	}
	records, unread := w.records(ctx, found)
	if unread != nil {
		err = errors.Join(err, fmt.Errorf("its records are left out: %w", unread))
	}
	for i := range records {
		view.Events = append(view.Events, webEventOf(&records[i]))
	}
	slices.SortStableFunc(view.Events, func(a, b webEvent) int { return b.At.Compare(a.At) })
	if err != nil {
		view.Problem = err.Error()
	}
	return view, "The story of " + found.String()
}

// fromGit fills in what git says of an object.
func (v *webStory) fromGit(ctx context.Context, w *why, found *subject) error {
	place, err := w.place(ctx, found)
	if err != nil {
		return err
	}
	answer, err := w.ask(ctx, found, place)
	if err != nil {
		return err
	}
	if v.Declared = fmt.Sprintf("Git no longer declares it, at %s.", shortHash(answer.Commit)); answer.Declared {
		v.Declared = fmt.Sprintf("Git declares it in %s, at %s.", answer.File, shortHash(answer.Commit))
	}
	for i := range answer.Changes {
		v.Events = append(v.Events, webCommit(&answer.Changes[i]))
	}
	return nil
}

func webCommit(c *whyChange) webEvent {
	signed := join(withLabel("signed by", c.Signer), withLabel("reviewed by", strings.Join(c.Reviewers, ", ")),
		withLabel("signature not verified:", c.Unverified))
	if c.Shallow {
		signed = join(signed, "the clone ends here, so an earlier commit may be the one")
	}
	return webEvent{
		Kind: "Committed", At: c.Committer.Date, Who: c.Author.String(), Link: c.Link,
		What:   fmt.Sprintf("%s it in %s: %s", strings.ToLower(c.Change), shortHash(c.Commit), c.Subject),
		Detail: join(c.File, cmp.Or(signed, "not signed")),
	}
}

func webEventOf(found *v1alpha1.ChangeRecord) webEvent {
	what := "tried to " + verb(&found.Spec.Request) + " it"
	switch {
	case found.Spec.Outcome == v1alpha1.OutcomeDenied:
	case found.Spec.Request.Operation == "CONNECT":
		what = "connected to it"
	default:
		what = verb(&found.Spec.Request) + "d it around git"
	}
	if found.Spec.Request.Subresource != "" {
		what += " (" + found.Spec.Request.Subresource + ")"
	}
	if n := record.Attempts(found); n > 1 {
		what += fmt.Sprintf(", %d times", n)
	}
	emergency := ""
	if found.Spec.BreakGlass != nil {
		emergency = found.Spec.BreakGlass.Reason
	}
	return webEvent{
		Kind: string(found.Spec.Outcome), At: lastSeen(found), Who: cmp.Or(found.Spec.Requester.Username, "somebody"), What: what,
		Link: "/records/" + found.Name, Detail: join(string(found.Spec.Reason), emergency, verdict(found), withLabel("by", reviewer(found))),
	}
}

// in is the same server, in another namespace.
func (s *server) in(namespace string) *server {
	from, to := s.flags, genericclioptions.NewConfigFlags(true)
	to.CacheDir, to.KubeConfig, to.ClusterName, to.AuthInfoName = from.CacheDir, from.KubeConfig, from.ClusterName, from.AuthInfoName
	to.Context, to.APIServer, to.TLSServerName, to.Insecure = from.Context, from.APIServer, from.TLSServerName, from.Insecure
	to.CertFile, to.KeyFile, to.CAFile, to.BearerToken = from.CertFile, from.KeyFile, from.CAFile, from.BearerToken
	to.Impersonate, to.ImpersonateUID, to.ImpersonateGroup = from.Impersonate, from.ImpersonateUID, from.ImpersonateGroup
	to.ImpersonateUserExtra, to.Username, to.Password = from.ImpersonateUserExtra, from.Username, from.Password
	to.Timeout, to.DisableCompression, to.ProxyURL, to.WrapConfigFn = from.Timeout, from.DisableCompression, from.ProxyURL, from.WrapConfigFn
	to.Namespace = &namespace
	return &server{flags: to}
}
