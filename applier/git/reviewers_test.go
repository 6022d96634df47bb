package git

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// reviewLab has a first commit by oncall that was applied, and three people who are
// trusted.
type reviewLab struct {
	*lab
	alice, bob, carol signatory
	base              string
	roots             Trust
}

func newReviewLab(t *testing.T) *reviewLab {
	t.Helper()
	l := &reviewLab{lab: newLab(t)}
	l.alice, l.bob, l.carol = l.person("alice"), l.person("bob"), l.person("carol")
	oncall := l.person("oncall")
	l.base = l.commit(oncall, "base.yaml", "1")
	l.roots = l.trust(l.alice, l.bob, l.carol, oncall)
	return l
}

// demand asks for one reviewer of everything since the base.
func (l *reviewLab) demand(commit string) Demand {
	return Demand{Trust: l.roots, Commit: commit, Range: true, Since: l.base, MinReviewers: 1}
}

func (l *reviewLab) reviewedBy(d Demand, reviewers ...string) {
	l.t.Helper()
	for _, d.Range = range []bool{d.Range, false} {
		if diff := cmp.Diff(reviewers, l.verified(d).Reviewers); diff != "" {
			l.t.Fatalf("range %t: the reviewers (-want +got):\n%s", d.Range, diff)
		}
	}
}

// feature makes commits on a branch that begins at the base, and leaves main there.
func (l *reviewLab) feature(by ...signatory) (commits []string) {
	l.t.Helper()
	l.git("checkout", "-q", "-b", "feature", "main")
	for i, p := range by {
		commits = append(commits, l.commit(p, "web.yaml", "replicas: "+string(rune('1'+i))))
	}
	l.git("checkout", "-q", "main")
	return commits
}

const wouldDo = "a signed merge with the same tree or a signed tag on it counts"

func TestACommitThatNobodyElseSignedNeedsAReviewer(t *testing.T) {
	l := newReviewLab(t)
	head := l.commit(l.alice, "web.yaml", "replicas: 3")
	d := l.demand(head)
	l.refused(d, "commit $1 needs 1 reviewer besides alice@example.com, found none; "+wouldDo, head)
	d.Range = false
	l.refused(d, "commit $1 needs 1 reviewer besides alice@example.com, found none; "+wouldDo, head)
	d.MinReviewers = 2
	l.tag(l.bob, "ok", head)
	l.refused(d, "commit $1 needs 2 reviewers besides alice@example.com, found bob@example.com; "+wouldDo, head)
}

func TestASignedMergeWithTheSameTreeIsAReview(t *testing.T) {
	l := newReviewLab(t)
	l.feature(l.alice, l.alice)
	head := l.merge(l.bob, "feature")
	l.reviewedBy(l.demand(head), "bob@example.com")
	if got := l.verified(l.demand(head)).Signer; got != "bob@example.com" {
		t.Errorf("the signer is %s", got)
	}
}

func TestNobodyReviewsTheirOwnByMerging(t *testing.T) {
	l := newReviewLab(t)
	commits := l.feature(l.alice)
	head := l.merge(l.alice, "feature")
	l.refused(l.demand(head), "commit $1, which $2 brings, needs 1 reviewer besides alice@example.com, found none; "+wouldDo, commits[0], head)
}

// One commit of the merge's signer among the rest is enough: who wrote a part of it has
// not looked at it from outside.
func TestAMergeByAnAuthorOfAnyOfItIsNoReview(t *testing.T) {
	l := newReviewLab(t)
	commits := l.feature(l.alice, l.bob)
	head := l.merge(l.bob, "feature")
	l.refused(l.demand(head), "commit $1, which $2 brings, needs 1 reviewer besides bob@example.com, found none; "+wouldDo, commits[1], head)
	l.tag(l.alice, "alice-saw", head)
	l.refused(l.demand(head), "commit $1, which $2 brings, needs 1 reviewer besides alice@example.com, found none; "+wouldDo, commits[0], head)
	l.tag(l.carol, "carol-saw", head)
	l.reviewedBy(l.demand(head), "carol@example.com")
}

func TestTheAddressOfTheAuthorIsAnAuthorToo(t *testing.T) {
	l := newReviewLab(t)
	head := l.commit(l.alice, "web.yaml", "replicas: 3", "--author", "Bob <BOB@example.com>")
	l.tag(l.bob, "ok", head)
	l.refused(l.demand(head), "commit $1 needs 1 reviewer besides BOB@example.com and alice@example.com, found none; "+wouldDo, head)
	l.tag(l.carol, "me-too", head)
	l.reviewedBy(l.demand(head), "carol@example.com")
}

func TestASignedTagIsAReview(t *testing.T) {
	l := newReviewLab(t)
	first := l.commit(l.alice, "web.yaml", "replicas: 3")
	l.tag(l.alice, "mine", first)
	l.tag(l.bob.unsigned(), "not-signed", first)
	l.tag(l.person("mallory"), "stranger", first)
	l.git("tag", "lightweight", first)
	l.git("tag", "a-tree", first+"^{tree}")
	l.refused(l.demand(first), "commit $1 needs 1 reviewer besides alice@example.com, found none; "+wouldDo, first)

	l.tag(l.bob, "any-name", first)
	l.tag(l.bob, "again", first)
	l.reviewedBy(l.demand(first), "bob@example.com")
	l.tag(l.carol, "of-a-tag", "not-signed")
	l.reviewedBy(l.demand(first), "bob@example.com", "carol@example.com")
}

func TestATagOnTheSameTreeIsAReview(t *testing.T) {
	l := newReviewLab(t)
	commits := l.feature(l.alice, l.alice)
	l.tag(l.bob, "the-branch", commits[1])
	l.git(append(l.as(l.alice), "merge", "-q", "--squash", "feature")...)
	squashed := l.commit(l.alice, "web.yaml", "replicas: 2")
	l.reviewedBy(l.demand(squashed), "bob@example.com")
	l.refused(l.demand(l.commit(l.alice, "web.yaml", "replicas: 9")),
		"commit $1 needs 1 reviewer besides alice@example.com, found none; "+wouldDo, l.head())
}

func TestAReviewCoversWhatLeadsToIt(t *testing.T) {
	l := newReviewLab(t)
	first := l.commit(l.alice, "web.yaml", "replicas: 3")
	second := l.commit(l.alice, "web.yaml", "replicas: 4")
	l.tag(l.bob, "ok", first)
	third := l.commit(l.bob, "web.yaml", "replicas: 5")
	l.tag(l.alice, "me-too", third)
	l.refused(l.demand(third), "commit $1, which $2 brings, needs 1 reviewer besides alice@example.com, found none; "+wouldDo, second, third)
	l.tag(l.carol, "all-of-it", third)
	l.verified(l.demand(third))
}

func TestEachMergeOfARangeStandsForItsOwnBranch(t *testing.T) {
	l := newReviewLab(t)
	l.feature(l.alice)
	l.merge(l.bob, "feature")
	l.git("branch", "-D", "feature")
	l.feature(l.bob, l.bob)
	head := l.merge(l.alice, "feature")
	l.reviewedBy(l.demand(head), "alice@example.com")
}

// A branch that took main in before it was merged.
func TestABranchThatWasBroughtUpToDateIsReviewedByItsMerge(t *testing.T) {
	l := newReviewLab(t)
	l.feature(l.alice)
	other := l.commit(l.carol, "db.yaml", "1")
	l.tag(l.bob, "db", other)
	l.git("checkout", "-q", "feature")
	l.merge(l.alice, "main")
	l.git("checkout", "-q", "main")
	head := l.merge(l.bob, "feature")
	l.reviewedBy(l.demand(head), "bob@example.com")
}

func TestAnEvilMergeIsAChangeThatNeedsAReviewer(t *testing.T) {
	l := newReviewLab(t)
	l.feature(l.alice)
	l.merge(l.bob, "feature")
	const own = ". It is a merge with a tree of its own, which is a change like any other"

	evil := l.commit(l.bob, "web.yaml", "replicas: 0", "--amend")
	l.refused(l.demand(evil), "commit $1 needs 1 reviewer besides bob@example.com, found none; "+wouldDo+own, evil)
	l.tag(l.alice, "fine", evil)
	commits := l.git("rev-parse", "feature")
	l.refused(l.demand(evil), "commit $1, which $2 brings, needs 1 reviewer besides alice@example.com, found none; "+wouldDo, commits, evil)
	l.tag(l.carol, "fine-too", evil)
	l.reviewedBy(Demand{Trust: l.roots, Commit: evil, MinReviewers: 1}, "alice@example.com", "carol@example.com")
	l.verified(l.demand(evil))
}

// A merge that keeps an old branch's tree throws away what main got since, reviewed or
// not: that is a change.
func TestAMergeThatThrowsAwayTheOtherSideIsAChange(t *testing.T) {
	l := newReviewLab(t)
	old := l.feature(l.alice)[0]
	l.tag(l.carol, "old", old)
	fixed := l.commit(l.alice, "fix.yaml", "1")
	l.tag(l.carol, "fix", fixed)
	l.roots = l.trust(l.alice, l.bob, l.carol)
	for name, parents := range map[string][]string{"ours": {old, fixed}, "theirs": {fixed, old}} {
		t.Run(name, func(t *testing.T) {
			head := l.mergeTree(l.bob, old, parents...)
			merge, err := judgeOf(l, head).cleanMerge(head)
			if merge != nil || err != nil {
				t.Errorf("counts as clean: %+v, %v", merge, err)
			}
		})
	}
}

func judgeOf(l *reviewLab, head string) *judge {
	repository, err := Open(l.dir)
	if err != nil {
		l.t.Fatal(err)
	}
	return &judge{ctx: l.t.Context(), head: head, merges: map[string]*merge{}, verdicts: map[string]verdict{},
		history: history{objects: onDisk{repository}, changes: map[string]*change{}}}
}

// However often something is merged with its own past, the tree was written by
// somebody.
func TestMergesThatBringNothingDoNotHideAnAuthor(t *testing.T) {
	l := newReviewLab(t)
	written := l.commit(l.alice, "web.yaml", "replicas: 3")
	once := l.mergeTree(l.alice, written, l.base, written)
	twice := l.mergeTree(l.alice, written, written, once)
	payload, _, _ := splitCommit(l.raw("commit", twice), "gpgsig")
	itself := l.write("commit", signedBySSH(l.lab, l.alice, bytes.Replace(payload, []byte(once), []byte(written), 1), "git"))
	const reason = "needs 1 reviewer besides alice@example.com, found none; " + wouldDo
	for name, head := range map[string]string{"once": once, "twice": twice} {
		t.Run(name, func(t *testing.T) {
			d := l.demand(head)
			l.refused(d, "commit $1, which $2 brings, "+reason, written, head)
			d.Range = false
			l.refused(d, "commit $1, which $2 brings, "+reason, written, head)
			d.Range, d.Since = true, written
			l.refused(d, "commit $1, which $2 brings, "+reason, written, head)
		})
	}
	l.refused(Demand{Trust: l.roots, Commit: itself, MinReviewers: 1}, "commit $1 "+reason+". It is a merge with a tree of its own, which is a change like any other", itself)

	l.reviewedBy(l.demand(l.mergeTree(l.bob, written, written, once)), "bob@example.com")
}

// With HEAD, what a merge brings need not be signed; then nobody knows that its signer
// did not write it.
func TestAMergeIsNoReviewOfWhatNobodySigned(t *testing.T) {
	l := newReviewLab(t)
	commits := l.feature(signatory{email: "contributor@example.org"})
	head := l.merge(l.alice, "feature")
	d := Demand{Trust: l.roots, Commit: head, MinReviewers: 1}
	l.refused(d, "commit $1, which $2 brings, needs 1 reviewer besides alice@example.com and contributor@example.org, found none; "+wouldDo, commits[0], head)
	l.tag(l.alice, "mine", head)
	l.refused(d, "commit $1, which $2 brings, needs 1 reviewer besides alice@example.com and contributor@example.org, found none; "+wouldDo, commits[0], head)
	l.tag(l.bob, "ok", head)
	l.reviewedBy(d, "bob@example.com")
}

func TestSeveralReviewersAreSeveralPersons(t *testing.T) {
	l := newReviewLab(t)
	commits := l.feature(l.alice)
	l.tag(l.carol, "ok", commits[0])
	head := l.merge(l.bob, "feature")
	d := l.demand(head)
	d.MinReviewers = 2
	l.reviewedBy(d, "bob@example.com", "carol@example.com")
	d.MinReviewers = 3
	l.refused(d, "commit $1, which $2 brings, needs 3 reviewers besides alice@example.com, found bob@example.com, carol@example.com; "+wouldDo, commits[0], head)
}

func TestOnePersonCountsOnceUnderWhateverNameAndKey(t *testing.T) {
	l := newReviewLab(t)
	laptop, phone := l.person("laptop"), l.person("phone")
	head := l.commit(l.alice, "web.yaml", "replicas: 3")
	l.tag(laptop, "laptop", head)
	l.tag(phone, "phone", head)
	d := Demand{Commit: head, MinReviewers: 2}
	alice := "alice@example.com " + l.alice.public(t) + "\n"
	for name, c := range map[string]struct{ lines, reason string }{
		"two keys of one principal, in different letter case": {
			"bob@example.com " + laptop.public(t) + "\nBob@Example.com " + phone.public(t),
			"needs 2 reviewers besides alice@example.com, found Bob@Example.com; " + wouldDo,
		},
		"two keys whose lines share a principal": {
			"bob@example.com,b@example.org " + laptop.public(t) + "\nb@example.org " + phone.public(t),
			"needs 2 reviewers besides alice@example.com, found b@example.org; " + wouldDo,
		},
		"a key of the author under another name": {
			"bob@example.com " + laptop.public(t) + "\nother@example.com " + phone.public(t) + "\nalice@example.com,other@example.com " + l.carol.public(t),
			"needs 2 reviewers besides alice@example.com, found bob@example.com; " + wouldDo,
		},
		"a key that may sign as anybody": {
			"* " + laptop.public(t) + "\nphone@example.com " + phone.public(t) + "\nlaptop@example.com,phone@example.com " + l.bob.public(t),
			"needs 2 reviewers besides alice@example.com, found laptop@example.com; " + wouldDo,
		},
	} {
		t.Run(name, func(t *testing.T) {
			d.Trust = Trust{AllowedSigners: map[string][]byte{"signers": []byte(alice + c.lines)}}
			l.refused(d, "commit $1 "+c.reason, head)
		})
	}
	d.Trust = Trust{AllowedSigners: map[string][]byte{"signers": []byte(alice + "bob@example.com " + laptop.public(t) + "\ncarol@example.com " + phone.public(t))}}
	l.reviewedBy(d, "bob@example.com", "carol@example.com")
}

// One key behind a wildcard signs as whoever it likes; it is one person.
func TestAKeyForAWildcardIsOnePerson(t *testing.T) {
	l := newReviewLab(t)
	bot := l.person("bot")
	head := l.commit(signatory{email: "alice@example.com", key: bot.key}, "web.yaml", "replicas: 3")
	l.tag(signatory{email: "bob@example.com", key: bot.key}, "ok", head)
	d := l.demand(head)
	d.Trust = Trust{AllowedSigners: map[string][]byte{"signers": []byte("*@example.com " + bot.public(t))}}
	l.refused(d, "commit $1 needs 1 reviewer besides alice@example.com, found none; "+wouldDo, head)
}

func TestReviewersAreToldWhereNoneIsNeeded(t *testing.T) {
	l := newReviewLab(t)
	l.feature(l.alice)
	head := l.merge(l.bob, "feature")
	l.tag(l.carol, "ok", head)
	d := l.demand(head)
	d.MinReviewers = 0
	l.reviewedBy(d, "bob@example.com", "carol@example.com")
}

func TestATagThatIsGoneIsNoReview(t *testing.T) {
	l := newReviewLab(t)
	head := l.commit(l.alice, "web.yaml", "replicas: 3")
	l.tag(l.bob, "ok", head)
	l.verified(l.demand(head))
	l.git("tag", "-d", "ok")
	l.refused(l.demand(head), "commit $1 needs 1 reviewer besides alice@example.com, found none; "+wouldDo, head)
}
