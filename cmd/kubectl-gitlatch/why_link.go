package main

import (
	"net/url"
	"strings"
)

// commitLink is where a commit can be read in a browser; "" where the host is not
// known to be one of GitHub, GitLab, Gitea, Forgejo or Bitbucket.
func commitLink(remote, commit string) string {
	u, err := url.Parse(remote)
	if err != nil || u.Hostname() == "" || u.Scheme != "https" && u.Scheme != "ssh" {
		return ""
	}
	host := u.Host
	if u.Scheme == "ssh" {
		host = u.Hostname() // its port is another server's
		host = strings.TrimPrefix(host, "ssh.")
	}
	between := ""
	for _, known := range []struct{ word, between string }{
		{"github", "/commit/"}, {"gitlab", "/-/commit/"}, {"gitea", "/commit/"}, {"forgejo", "/commit/"},
		{"codeberg.org", "/commit/"}, {"bitbucket.org", "/commits/"},
	} {
		if strings.Contains(u.Hostname(), known.word) {
			between = known.between
			break
		}
	}
	path := strings.TrimSuffix(strings.Trim(u.Path, "/"), ".git")
	if between == "" || path == "" {
		return ""
	}
	link := url.URL{Scheme: "https", Host: host, Path: "/" + path + between + commit}
	return link.String()
}
