package git

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestAllowedSignersAreReadAsSSHKeygenReadsThem asks ssh-keygen about every line, too.
func TestAllowedSignersAreReadAsSSHKeygenReadsThem(t *testing.T) {
	l := newLab(t)
	alice, bob := l.person("alice"), l.person("bob")
	// The commit says 2026-03-01 01:00:00.
	head := l.commit(alice, "web.yaml", "replicas: 3")
	payload, armor, _ := splitCommit(l.raw("commit", head), "gpgsig")
	fingerprint := alice.fingerprint(t)
	for name, c := range map[string]struct{ line, signer, reason string }{
		"a principal":                      {line: "alice@example.com KEY", signer: "alice@example.com"},
		"a comment":                        {line: "alice@example.com KEY of Alice's laptop", signer: "alice@example.com"},
		"spaces and tabs":                  {line: "  alice@example.com \t KEY", signer: "alice@example.com"},
		"the end of a line on Windows":     {line: "alice@example.com KEY\r\n", signer: "alice@example.com"},
		"comments and empty lines":         {line: "# people\n\n  # more\nalice@example.com KEY\n", signer: "alice@example.com"},
		"several principals":               {line: "a@example.org,alice@example.com KEY", signer: "alice@example.com"},
		"quoted principals":                {line: `"alice@example.com" KEY`, signer: "alice@example.com"},
		"a wildcard":                       {line: "*@example.com KEY", signer: "alice@example.com"},
		"a wildcard for one letter":        {line: "al?ce@example.com KEY", signer: "alice@example.com"},
		"a wildcard for another domain":    {line: "*@example.org KEY", reason: `signers:1 allows for "*@example.org" only, and not for "alice@example.com"`},
		"a negation":                       {line: "*@example.com,!alice@* KEY", reason: `signers:1 allows for "*@example.com,!alice@*" only, and not for "alice@example.com"`},
		"a negation of somebody else":      {line: "!bob@example.com,*@example.com KEY", signer: "alice@example.com"},
		"the namespace":                    {line: `alice@example.com namespaces="git" KEY`, signer: "alice@example.com"},
		"the namespace among others":       {line: `alice@example.com NameSpaces="file,git" KEY`, signer: "alice@example.com"},
		"a pattern of namespaces":          {line: `alice@example.com namespaces="g*" KEY`, signer: "alice@example.com"},
		"another namespace":                {line: `alice@example.com namespaces="file" KEY`, reason: `signers:1 allows for the namespaces "file" only`},
		"a namespace taken away":           {line: `alice@example.com namespaces="*,!git" KEY`, reason: `signers:1 allows for the namespaces "*,!git" only`},
		"since a day":                      {line: `alice@example.com valid-after="20260301" KEY`, signer: "alice@example.com"},
		"since the minute":                 {line: `alice@example.com valid-after="202603010100Z" KEY`, signer: "alice@example.com"},
		"since a second later":             {line: `alice@example.com valid-after="20260301010001Z" KEY`, reason: "signers:1 allows from 2026-03-01 01:00:01 UTC on, and it says 2026-03-01 01:00:00 UTC"},
		"until the second":                 {line: `alice@example.com valid-before="20260301010000" KEY`, signer: "alice@example.com"},
		"until a second before":            {line: `alice@example.com valid-before="20260301005959Z" KEY`, reason: "signers:1 allows until 2026-03-01 00:59:59 UTC, and it says 2026-03-01 01:00:00 UTC"},
		"from and until":                   {line: `alice@example.com namespaces="git",valid-after="20250101Z",valid-before="20270101Z" KEY`, signer: "alice@example.com"},
		"an expired line and a good one":   {line: "alice@example.com valid-before=\"20250101\" KEY\nalice@example.com KEY", signer: "alice@example.com"},
		"an authority, and no certificate": {line: "alice@example.com cert-authority KEY", reason: ""},
		"somebody else's":                  {line: "bob@example.com " + bob.public(t), reason: ""},
	} {
		t.Run(name, func(t *testing.T) {
			content := strings.ReplaceAll(c.line, "KEY", alice.public(t))
			demand := Demand{Commit: head, Trust: Trust{AllowedSigners: map[string][]byte{"signers": []byte(content)}}}
			if theirs := sshKeygenAccepts(l, content, payload, armor, "20260301010000"); theirs != (c.signer != "") {
				t.Fatalf("ssh-keygen accepts it: %t", theirs)
			}
			switch {
			case c.signer != "":
				if got := l.verified(demand).Signer; got != c.signer {
					t.Errorf("the signer is %s", got)
				}
			case c.reason != "":
				l.refused(demand, "commit $1 is signed by the key "+fingerprint+", which "+c.reason, head)
			default:
				l.refused(demand, "commit $1 is signed by the key "+fingerprint+", which no trust root names", head)
			}
		})
	}
}

// sshKeygenAccepts asks ssh-keygen as git does: whether the signature is one of alice's.
func sshKeygenAccepts(l *lab, allowed string, payload, armor []byte, at string) bool {
	file := func(name string, content []byte) string {
		path := filepath.Join(l.keys, name)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			l.t.Fatal(err)
		}
		return path
	}
	_, err := l.command(payload, "ssh-keygen", "-Y", "verify", "-n", "git", "-I", "alice@example.com", "-Overify-time="+at,
		"-f", file("allowed", []byte(allowed)), "-s", file("signature", armor))
	return err == nil
}

func TestALineThatIsWrongIsNamed(t *testing.T) {
	l := newLab(t)
	alice := l.person("alice")
	head := l.commit(alice, "web.yaml", "replicas: 3")
	payload, armor, _ := splitCommit(l.raw("commit", head), "gpgsig")
	key := alice.public(t)
	for line, want := range map[string]string{
		"alice@example.com":                                                       "no key",
		`"alice@example.com ` + key:                                               "principals with a quote that doesn't end",
		"!,, " + key:                                                              "no principal",
		"alice@example.com ssh-ed25519":                                           "the type ssh-ed25519 without a key",
		"alice@example.com ssh-ed25519 A=A":                                       "the ssh-ed25519 key is not base64",
		"alice@example.com ssh-ed25519 AAAA":                                      "the ssh-ed25519 key can't be read",
		"alice@example.com ssh-rsa " + strings.Fields(key)[1]:                     "the key is of the type ssh-ed25519, not ssh-rsa",
		"alice@example.com ssh-dss AAAA":                                          `keys of the type "ssh-dss" are not accepted; these are: ssh-ed25519, sk-ssh-ed25519@openssh.com, ssh-rsa, ecdsa-sha2-nistp256, ecdsa-sha2-nistp384, ecdsa-sha2-nistp521, sk-ecdsa-sha2-nistp256@openssh.com`,
		"alice@example.com ssh-ed25519-cert-v01@openssh.com AAAA":                 "ssh-ed25519-cert-v01@openssh.com is a certificate: name the key of its authority, with cert-authority",
		"alice@example.com restrict " + key:                                       `"restrict" is neither an option nor a type of key`,
		"alice@example.com namespaces=git " + key:                                 `namespaces needs a value in double quotes: namespaces="..."`,
		"alice@example.com namespaces " + key:                                     `namespaces needs a value in double quotes: namespaces="..."`,
		`alice@example.com namespaces="git ` + key:                                "options with a quote that doesn't end",
		`alice@example.com namespaces="git",namespaces="file" ` + key:             "the option namespaces twice",
		`alice@example.com cert-authority="yes" ` + key:                           "cert-authority takes no value",
		`alice@example.com namespaces="git"x ` + key:                              `"x" after namespaces`,
		`alice@example.com namespaces="git", ` + key:                              `"," after namespaces`,
		`alice@example.com valid-after="tomorrow" ` + key:                         `valid-after: "tomorrow" is no time of the form YYYYMMDD[Z] or YYYYMMDDHHMM[SS][Z]`,
		`alice@example.com valid-before="20261301" ` + key:                        `valid-before: "20261301" is no time of the form YYYYMMDD[Z] or YYYYMMDDHHMM[SS][Z]`,
		`alice@example.com valid-before="20260101",valid-after="20270101" ` + key: "valid-before is not after valid-after",
	} {
		t.Run(line, func(t *testing.T) {
			if sshKeygenAccepts(l, line+"\n", payload, armor, "20260301010000") {
				t.Error("ssh-keygen accepts it")
			}
			content := "alice@example.com " + key + "\n" + line
			demand := Demand{Commit: head, Trust: Trust{AllowedSigners: map[string][]byte{"signers": []byte(content)}}}
			l.refused(demand, `nothing is trusted: reading the allowed signers "signers": line 2: `+want)
		})
	}
}

func TestCertificatesOfAnAuthority(t *testing.T) {
	l := newLab(t)
	authority, alice := l.person("authority"), l.person("alice")
	certify := func(options ...string) string {
		l.run(nil, "ssh-keygen", append(append([]string{"-q", "-s", authority.key, "-I", "alice"}, options...), alice.key+".pub")...)
		return l.commit(signatory{email: alice.email, key: alice.key + "-cert.pub"}, "web.yaml", l.clock.String())
	}
	good := certify("-n", "login,alice@example.com", "-V", "20260101:20270101", "-O", "source-address=10.0.0.0/8")
	demand := func(commit, line string) Demand {
		content := strings.ReplaceAll(line, "KEY", authority.public(t))
		return Demand{Commit: commit, Trust: Trust{AllowedSigners: map[string][]byte{"signers": []byte(content)}}}
	}
	got := l.verified(demand(good, "*@example.com cert-authority KEY"))
	if got.Signer != "alice@example.com" || got.Key != alice.fingerprint(t) {
		t.Errorf("verified %+v", got)
	}
	signed := "commit $1 is signed by the key " + alice.fingerprint(t) + " with a certificate "
	l.refused(demand(good, "*@example.com KEY"), signed+"of an authority that no trust root names", good)
	l.refused(demand(good, "alice@example.com "+alice.public(t)), signed+"of an authority that no trust root names", good)
	l.refused(demand(good, "*@example.org cert-authority KEY"), signed+"that names no principal that signers:1 allows", good)
	l.refused(demand(good, `*@example.com cert-authority,valid-before="20250101" KEY`),
		signed+"that signers:1 allows until 2025-01-01 00:00:00 UTC, and it says 2026-03-01 01:00:00 UTC", good)

	const any = "* cert-authority KEY"
	expired := certify("-n", "alice@example.com", "-V", "20200101:20210101")
	l.refused(demand(expired, any), signed+"that is not accepted: cert has expired", expired)
	nobody := certify()
	l.refused(demand(nobody, any), signed+"that names no principal that signers:1 allows", nobody)
	host := certify("-h", "-n", "alice@example.com")
	l.refused(demand(host, any), "commit $1 is signed by the key "+alice.fingerprint(t)+" with a certificate that is none of a user", host)
	critical := certify("-n", "alice@example.com", "-O", "critical:hold@example.com")
	l.refused(demand(critical, any), signed+`that is not accepted: unsupported critical option "hold@example.com" in certificate`, critical)
}

func TestTimestampsAreUTCOnEveryMachine(t *testing.T) {
	for text, want := range map[string]time.Time{
		"20260301":        time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC),
		"20260301Z":       time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC),
		"202603010405":    time.Date(2026, 3, 1, 4, 5, 0, 0, time.UTC),
		"20260301040506Z": time.Date(2026, 3, 1, 4, 5, 6, 0, time.UTC),
	} {
		if got, err := parseTimestamp(text); err != nil || !got.Equal(want) {
			t.Errorf("%s is %s, %v", text, got, err)
		}
	}
}

func FuzzAllowedSigners(f *testing.F) {
	const key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINNwMHM8lLcve+HMdKmjaanRnkdOE0Sm3ZUxkjv5LTgg"
	for _, line := range []string{"", "# x", "a@x,!b@* " + key, `"a b" namespaces="git,\"",valid-after="20260101Z",cert-authority ` + key, "a namespaces= " + key} {
		f.Add([]byte(line))
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		lines, err := parseSigners("signers", content)
		if err != nil && !strings.Contains(err.Error(), `reading the allowed signers "signers": line `) {
			t.Errorf("the error names no line: %v", err)
		}
		for _, line := range lines {
			if line.key == nil || len(line.principals) == 0 {
				t.Errorf("a line without a key or a principal: %+v", line)
			}
			name, refused := line.accepts(signed{email: "a@example.com", when: time.Unix(1772323200, 0)})
			if (name == "") == (refused == "") {
				t.Errorf("neither accepted nor refused, or both: %q %q", name, refused)
			}
		}
	})
}

func FuzzWildcard(f *testing.F) {
	f.Add("*@example.com", "alice@example.com")
	f.Add("**a*?", "aaaaaaaab")
	f.Fuzz(func(t *testing.T, pattern, text string) {
		if !strings.ContainsAny(pattern, "*?") && wildcard(pattern, text) != (pattern == text) {
			t.Errorf("%q and %q: %t", pattern, text, wildcard(pattern, text))
		}
		if !wildcard("*"+text, pattern+text) && !strings.ContainsAny(text, "*?") {
			t.Errorf("%q doesn't end in %q", pattern+text, text)
		}
	})
}
