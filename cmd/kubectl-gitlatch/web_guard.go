package main

import (
	"crypto/rand"
	"crypto/subtle"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
)

// maxBody is how long a form may be: a comment of the longest length in any script fits.
const maxBody = 64 << 10

// guard stands before every page. Other people of this machine can reach the port, and
// so can any page that the browser has open: both come without the cookie, a page under
// a foreign name with its own Host, and a form of a foreign page with its own origin.
type guard struct {
	site   *site
	hosts  []string // that the Host header may name
	key    string   // of the printed link
	spent  atomic.Bool
	cookie string // its name: cookies are not told apart by port
	secret string // its value
	pages  http.Handler
}

func newGuard(s *site, port int) *guard {
	number := strconv.Itoa(port)
	g := &guard{
		site: s, key: rand.Text(), secret: rand.Text(), cookie: "gitlatch-" + number,
		hosts: []string{net.JoinHostPort("127.0.0.1", number), net.JoinHostPort("localhost", number)},
	}
	foreign := http.NewCrossOriginProtection()
	foreign.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		g.refuse(w, r, "The form came from another page.")
	}))
	g.pages = foreign.Handler(http.HandlerFunc(g.form))
	return g
}

// link is what is printed.
func (g *guard) link() string { return "http://" + g.hosts[0] + "/?key=" + g.key }

func (g *guard) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	defer func() {
		if fault := recover(); fault != nil {
			fmt.Fprintf(g.site.errOut, "error: %s %s: %v\n", r.Method, line(r.URL.Path), fault)
			g.site.wrong(w, r, http.StatusInternalServerError, "This page could not be made.", "The terminal says why.")
		}
	}()
	shield(w.Header())
	if !contains(g.hosts, r.Host) {
		// Nothing of the site: the page that asks may be somebody else's.
		http.Error(w, "open the link that kubectl gitlatch web printed", http.StatusMisdirectedRequest)
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	switch {
	case strings.HasPrefix(r.URL.Path, "/static/"): // known to everybody
		g.site.ServeHTTP(w, r)
	case r.Method == http.MethodGet && r.URL.Path == "/" && r.URL.Query().Has("key"):
		g.exchange(w, r)
	case !g.known(r):
		g.refuse(w, r, "This browser holds no key to these pages.")
	default:
		g.pages.ServeHTTP(w, r)
	}
}

// shield keeps a browser from running, framing, keeping or passing on what is not ours.
func shield(h http.Header) {
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; script-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
}

// exchange takes the key of the link, once, and gives the cookie.
func (g *guard) exchange(w http.ResponseWriter, r *http.Request) {
	if !g.known(r) {
		if !same(r.URL.Query().Get("key"), g.key) {
			g.refuse(w, r, "That is not the key.")
			return
		}
		if !g.spent.CompareAndSwap(false, true) {
			g.refuse(w, r, "The link was used already, and it works once.")
			return
		}
		http.SetCookie(w, &http.Cookie{Name: g.cookie, Value: g.secret, Path: "/", HttpOnly: true, SameSite: http.SameSiteStrictMode})
	}
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

func (g *guard) known(r *http.Request) bool {
	for _, cookie := range r.CookiesNamed(g.cookie) {
		if same(cookie.Value, g.secret) {
			return true
		}
	}
	return false
}

// form lets a form through that one of our own pages held.
func (g *guard) form(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		if err := r.ParseForm(); err != nil {
			g.site.wrong(w, r, http.StatusBadRequest, "The form can't be read.", "It may be longer than it may be.")
			return
		}
		if !same(r.PostForm.Get("csrf"), g.site.csrf) {
			g.refuse(w, r, "The form is not one of these pages'.")
			return
		}
	}
	g.site.ServeHTTP(w, r)
}

func (g *guard) refuse(w http.ResponseWriter, r *http.Request, why string) {
	g.site.wrong(w, r, http.StatusForbidden, why,
		"Open the link that kubectl gitlatch web printed; if another browser has used it, end the command and run it again.")
}

// same compares without telling by its time how much of a guess is right.
func same(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

func contains(all []string, one string) bool {
	for _, each := range all {
		if strings.EqualFold(each, one) {
			return true
		}
	}
	return false
}
