package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"embed"
	"fmt"
	"html/template"
	"io"
	"net/http"
	"sync"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

//go:embed web
var webFiles embed.FS

// site makes the pages, with the rights of whoever started it.
type site struct {
	server *server
	now    func() time.Time
	repo   string
	errOut io.Writer
	csrf   string // of every form
	pages  *template.Template
	routes *http.ServeMux

	mu          sync.Mutex
	said, fault string // to be shown once, on the page that comes next
	user        string // "": not asked yet
}

func newSite(server *server, now func() time.Time, repo string, errOut io.Writer) (*site, error) {
	s := &site{server: server, now: now, repo: repo, errOut: errOut, csrf: rand.Text(), routes: http.NewServeMux()}
	var err error
	s.pages, err = template.New("").Funcs(template.FuncMap{
		"iso":   func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
		"stamp": func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") },
	}).ParseFS(webFiles, "web/*.html")
	if err != nil {
		return nil, fmt.Errorf("reading the templates: %w", err)
	}
	s.routes.HandleFunc("GET /static/{file}", func(w http.ResponseWriter, r *http.Request) {
		name := r.PathValue("file")
		if name != "style.css" && name != "script.js" {
			http.NotFound(w, r)
			return
		}
		http.ServeFileFS(w, r, webFiles, "web/"+name)
	})
	s.routes.HandleFunc("GET /{$}", s.home)
	s.routes.HandleFunc("GET /review", s.review)
	s.routes.HandleFunc("GET /records", s.list)
	s.routes.HandleFunc("GET /records/{name}", s.record)
	s.routes.HandleFunc("POST /records/{name}", s.judge)
	s.routes.HandleFunc("GET /object", s.story)
	s.routes.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		s.wrong(w, r, http.StatusNotFound, "There is no such page.", "The links above lead to those that there are.")
	})
	return s, nil
}

func (s *site) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.routes.ServeHTTP(w, r) }

// webPage is the frame around a content.
type webPage struct {
	Title, Where, Said, Wrong string
	Pages                     []webLink
	Content                   template.HTML
	Now                       time.Time
}

type webLink struct {
	Path, Name string
	Here       bool
	Count      int
}

// webView is what a page shows.
type webView struct {
	title, wrong string
	template     string
	content      any
	waiting      int // 0 where it is not known, too
	status       int // 0 is OK
}

func (s *site) show(w http.ResponseWriter, r *http.Request, v webView) {
	page := webPage{Title: v.title, Wrong: v.wrong, Now: s.now(), Pages: []webLink{
		{Path: "/", Name: "State"}, {Path: "/review", Name: "Review", Count: v.waiting}, {Path: "/records", Name: "Records"},
	}}
	for i := range page.Pages {
		page.Pages[i].Here = page.Pages[i].Path == r.URL.Path
	}
	if v.status == 0 {
		v.status = http.StatusOK
	}
	if v.status != http.StatusForbidden { // the guard's, who tells a stranger nothing
		said, fault := s.takeWord()
		page.Where, page.Said = s.where(), said
		if page.Wrong == "" {
			page.Wrong = fault
		} else if fault != "" {
			page.Wrong = fault + "\n" + page.Wrong
		}
	}
	var content, whole bytes.Buffer
	if err := s.pages.ExecuteTemplate(&content, v.template, v.content); err != nil {
		panic(err) // the guard says so
	}
	page.Content = template.HTML(content.String()) // escaped just now
	if err := s.pages.ExecuteTemplate(&whole, "page", page); err != nil {
		panic(err)
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(v.status)
	_, _ = w.Write(whole.Bytes()) // a browser that has gone needs no page
}

// wrong is the page of what did not work.
func (s *site) wrong(w http.ResponseWriter, r *http.Request, status int, what, advice string) {
	s.show(w, r, webView{title: http.StatusText(status), wrong: what, template: "wrong", content: advice, status: status})
}

// failed is the page of an error of the API server, whose words stand as they are.
func (s *site) failed(w http.ResponseWriter, r *http.Request, err error) {
	status, advice := http.StatusBadGateway, "The page shows what you may read with kubectl, too."
	if apierrors.IsForbidden(err) {
		advice = "Your own rights don't reach that far."
	}
	s.wrong(w, r, status, err.Error(), advice)
}

// say keeps a word for the page that comes next.
func (s *site) say(said string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.said = said; err != nil {
		s.said, s.fault = "", err.Error()
	}
}

func (s *site) takeWord() (said, fault string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	said, fault, s.said, s.fault = s.said, s.fault, "", ""
	return said, fault
}

// where says whose rights are used, and at which server.
func (s *site) where() string {
	config, err := s.server.config()
	if err != nil {
		return ""
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return join(s.user, config.Host)
}

// who is the user that the API server takes this for; "" where it does not tell.
func (s *site) who(ctx context.Context) (string, error) {
	s.mu.Lock()
	user := s.user
	s.mu.Unlock()
	if user != "" {
		return user, nil
	}
	config, err := s.server.config()
	if err != nil {
		return "", err
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return "", badInput(fmt.Errorf("preparing a client: %w", err))
	}
	asked, err := client.AuthenticationV1().SelfSubjectReviews().Create(ctx, &authenticationv1.SelfSubjectReview{}, metav1.CreateOptions{})
	if err != nil {
		return "", fmt.Errorf("asking who you are: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.user = asked.Status.UserInfo.Username
	return s.user, nil
}
