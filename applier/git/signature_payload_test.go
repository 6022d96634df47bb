package git

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestTheSignedPartOfACommitIsEveryOtherByte(t *testing.T) {
	const (
		head = "tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\nparent a\nauthor a <a> 1 +0000\ncommitter c <c> 1 +0000\n"
		more = "mergetag object b\n type commit\n gpgsig no\n\nencoding x\n"
		body = "\nsubject\n\ngpgsig in the message\n with a line\r\n"
		mine = "gpgsig -----BEGIN\n \n abc\n -----END\n"
	)
	type result struct {
		Payload, Signature string
		More               bool
	}
	for name, c := range map[string]struct {
		raw, header string
		want        result
	}{
		"no signature":               {head + body, "gpgsig", result{head + body, "", false}},
		"a signature":                {head + mine + body, "gpgsig", result{head + body, "-----BEGIN\n\nabc\n-----END\n", false}},
		"headers after it":           {head + mine + "encoding x\n" + body, "gpgsig", result{head + "encoding x\n" + body, "-----BEGIN\n\nabc\n-----END\n", false}},
		"a merged tag":               {head + "mergetag o\n gpgsig no\n" + mine + body, "gpgsig", result{head + "mergetag o\n gpgsig no\n" + body, "-----BEGIN\n\nabc\n-----END\n", false}},
		"the other hash's signature": {head + "gpgsig-sha256 x\n y\n" + mine + body, "gpgsig", result{head + body, "-----BEGIN\n\nabc\n-----END\n", false}},
		"a SHA-256 repository":       {head + "gpgsig-sha256 x\n y\n" + mine + body, "gpgsig-sha256", result{head + body, "x\ny\n", false}},
		"two signatures":             {head + mine + mine + body, "gpgsig", result{head + body, "-----BEGIN\n\nabc\n-----END\n-----BEGIN\n\nabc\n-----END\n", true}},
		"no message":                 {head + mine, "gpgsig", result{head, "-----BEGIN\n\nabc\n-----END\n", false}},
		"an empty line that ends it": {head + more, "gpgsig", result{head + more, "", false}},
	} {
		t.Run(name, func(t *testing.T) {
			payload, signature, more := splitCommit([]byte(c.raw), c.header)
			if diff := cmp.Diff(c.want, result{string(payload), string(signature), more}); diff != "" {
				t.Errorf("split (-want +got):\n%s", diff)
			}
		})
	}
}

func TestTheSignedPartOfATagEndsBeforeItsLastSignature(t *testing.T) {
	const (
		head = "object a\ntype commit\ntag v1\ntagger a <a> 1 +0000\n"
		body = "\napproved\n"
		mine = "-----BEGIN SSH SIGNATURE-----\nabc\n-----END SSH SIGNATURE-----\n"
	)
	for name, c := range map[string]struct{ raw, payload, signature string }{
		"no signature":               {head + body, head + body, ""},
		"a signature":                {head + body + mine, head + body, mine},
		"one quoted in the message":  {head + body + mine + "more\n" + mine, head + body + mine + "more\n", mine},
		"not at the begin of a line": {head + body + "> " + mine, head + body + "> " + mine, ""},
		"the other hash's signature": {head + "gpgsig-sha256 x\n y\n" + body + mine, head + body, mine},
		"a header in the message":    {head + body + "gpgsig x\n" + mine, head + body + "gpgsig x\n", mine},
	} {
		t.Run(name, func(t *testing.T) {
			payload, signature := splitTag([]byte(c.raw))
			if diff := cmp.Diff([]string{c.payload, c.signature}, []string{string(payload), string(signature)}); diff != "" {
				t.Errorf("split (-want +got):\n%s", diff)
			}
		})
	}
}

// git's own verdict on what this package takes apart: a commit that merges a signed tag
// carries it in a header.
func TestACommitWithAMergedTagIsVerified(t *testing.T) {
	l := newLab(t)
	alice, bob := l.person("alice"), l.person("bob")
	l.commit(alice, "base.yaml", "1")
	l.git("checkout", "-q", "-b", "feature")
	l.tag(bob, "release", l.commit(bob, "web.yaml", "replicas: 3"))
	l.git("checkout", "-q", "main")
	head := l.merge(alice, "release")
	if !bytes.Contains(l.raw("commit", head), []byte("\nmergetag object ")) {
		t.Fatal("git wrote no mergetag")
	}
	if got := l.verified(Demand{Trust: l.trust(alice, bob), Commit: head}).Signer; got != alice.email {
		t.Errorf("the signer is %s", got)
	}
}

func FuzzSplit(f *testing.F) {
	f.Add([]byte("tree a\nparent b\nauthor a <a> 1 +0000\ncommitter a <a> 1 +0000\ngpgsig a\n b\n\nsubject\n"))
	f.Add([]byte("object a\ntype commit\ntag v\ntagger a <a> 1 +0000\ngpgsig-sha256 a\n b\n\nx\n-----BEGIN SSH SIGNATURE-----\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		for _, header := range []string{"gpgsig", "gpgsig-sha256"} {
			payload, signature, _ := splitCommit(raw, header)
			if again, none, _ := splitCommit(payload, header); !bytes.Equal(again, payload) || none != nil {
				t.Errorf("the payload has a signature still: %q %q", again, none)
			}
			if signature == nil && !bytes.Contains(raw, []byte("gpgsig")) && !bytes.Equal(payload, raw) {
				t.Errorf("an unsigned commit lost something: %q", payload)
			}
		}
		if payload, signature := splitTag(raw); signature == nil && !bytes.Equal(payload, raw) || !bytes.HasSuffix(raw, signature) {
			t.Errorf("a tag came apart as %q and %q", payload, signature)
		}
		label, ok := parseLabel(raw)
		if ok && !strings.Contains(string(raw), "object "+label.object) {
			t.Errorf("a tag of %q", label.object)
		}
		if c := parseChange("a", raw); !c.malformed && !bytes.HasPrefix(raw, []byte("tree "+c.tree+"\n")) {
			t.Errorf("a commit whose tree is %q", c.tree)
		}
	})
}
