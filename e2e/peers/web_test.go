//go:build peers

package peers

import (
	"bufio"
	"fmt"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestAReviewInARealBrowser: a reviewer opens the printed link, sees oncall's emergency
// with its diff, and approves it by keyboard; oncall is refused by the gate.
func TestAReviewInARealBrowser(t *testing.T) {
	plugin(t)
	name, namespace := emergency(t)
	b := newBrowser(t)

	b.open(t, pages(t, "oncall"))
	b.goTo(t, "/records/"+name)
	if said := b.text(t, "main"); !strings.Contains(said, "This is your own change") {
		t.Errorf("one's own change is not marked:\n%s", said)
	}
	b.approve(t, name)
	if said := b.text(t, "[role=alert]"); !strings.Contains(said, "denied the request") || !strings.Contains(said, "SelfReview") {
		t.Errorf("one's own approval is answered by %q", said)
	}
	b.picture(t, "own-change-refused")

	b.open(t, pages(t, "reviewer"))
	accessible(t, b)
	first := b.text(t, "time.left")
	eventually(t, "the countdown to go on", 10*time.Second, func() error {
		if b.text(t, "time.left") == first {
			return fmt.Errorf("it stands at %q", first)
		}
		return nil
	})
	b.picture(t, "state")
	for _, path := range []string{"/records", "/records?outcome=BreakGlass", "/object?kind=configmaps&name=settings&namespace=" + namespace, "/records/" + name, "/review"} {
		b.goTo(t, path)
		accessible(t, b)
	}
	card := b.text(t, "[aria-labelledby=at-"+name+"]")
	for _, part := range []string{"BreakGlass", "oncall", ".data.colour", `"blue"`, `"red"`, "INC-42: the database has failed over"} {
		if !strings.Contains(card, part) {
			t.Errorf("the card lacks %s:\n%s", part, card)
		}
	}
	b.picture(t, "review")
	b.approve(t, name)
	if said := b.text(t, "[role=status]"); said != name+" is approved by reviewer." {
		t.Errorf("the approval is answered by %q and %q", said, b.text(t, "[role=alert]"))
	}
	if script[bool](t, b, `return document.getElementById("at-"+arguments[0]) !== null`, name) {
		t.Error("the record still waits")
	}
	stdout, stderr, _ := plane.Kubectl(t.Context(), "admin", "", "get", "changerecord", name, "-o", "jsonpath={.status.review.verdict} {.status.review.reviewer}")
	if diff := cmp.Diff("Approved reviewer", stdout); diff != "" {
		t.Errorf("in the cluster (-want +got):\n%s%s", diff, stderr)
	}
}

// emergency is a break-glass of oncall's that changes a ConfigMap at once.
func emergency(t *testing.T) (record, namespace string) {
	t.Helper()
	namespace = named("web")
	synced(t, fmt.Sprintf(`
apiVersion: v1
kind: Namespace
metadata: {name: %[1]s}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: settings, namespace: %[1]s}
data: {colour: blue}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: %[1]s-reviewers}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: gitlatch-reviewer}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: Group, name: reviewers}, {apiGroup: rbac.authorization.k8s.io, kind: Group, name: oncall}]
`, namespace))
	patch := `{"metadata":{"annotations":{"gitlatch.dev/break-glass":"INC-42: the database has failed over","gitlatch.dev/break-glass-for":"30m"}},"data":{"colour":"red"}}`
	if _, stderr, code := plane.Kubectl(t.Context(), "oncall", "", "patch", "configmap", "settings", "-n", namespace, "--type=merge", "-p", patch); code != 0 {
		t.Fatalf("breaking glass: %s", stderr)
	}
	eventually(t, "the record", 30*time.Second, func() error {
		stdout, stderr, _ := plane.Kubectl(t.Context(), "admin", "", "get", "changerecords", "-l", "gitlatch.dev/namespace="+namespace+",gitlatch.dev/outcome=BreakGlass", "-o", "jsonpath={.items[*].metadata.name}")
		if record = stdout; record == "" || strings.Contains(record, " ") {
			return fmt.Errorf("records %q %s", stdout, stderr)
		}
		return nil
	})
	return record, namespace
}

// pages starts the plugin as a person, until the test ends, and gives the printed link.
func pages(t *testing.T, user string) string {
	t.Helper()
	command := exec.Command("kubectl-gitlatch", "web", "--kubeconfig", plane.Kubeconfig(user))
	command.Env = plane.KubectlEnv(user)
	out, err := command.StdoutPipe()
	must(t, err)
	must(t, command.Start())
	t.Cleanup(func() {
		if err := command.Process.Signal(syscall.SIGINT); err != nil {
			t.Error(err)
		}
		if err := command.Wait(); err != nil {
			t.Errorf("the command ended with %v", err)
		}
	})
	said, err := bufio.NewReader(out).ReadString('\n')
	must(t, err)
	link := regexp.MustCompile(`http://127\.0\.0\.1:\d+/\?key=\w+`).FindString(said)
	if link == "" {
		t.Fatalf("no link in %q", said)
	}
	return link
}

// goTo opens another page of the same site.
func (b *browser) goTo(t *testing.T, path string) {
	t.Helper()
	b.open(t, script[string](t, b, `return location.origin`)+path)
}

func (b *browser) text(t *testing.T, selector string) string {
	t.Helper()
	return script[string](t, b, `return document.querySelector(arguments[0])?.innerText ?? ""`, selector)
}

// approve goes to a record's button by the tab key alone, sees where it is on the way,
// and presses enter.
func (b *browser) approve(t *testing.T, name string) {
	t.Helper()
	for range 400 {
		b.press(t, keyTab)
		at := script[struct {
			Here, Visible bool
			HTML          string
		}](t, b, `const at = document.activeElement, style = getComputedStyle(at), box = at.getBoundingClientRect();
return {Here: at.value === "Approved" && at.form?.getAttribute("action") === "/records/" + arguments[0], HTML: at.outerHTML.slice(0, 200),
  Visible: at === document.body || style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2 && box.width > 1 && box.right > 0}`, name)
		if !at.Visible {
			t.Errorf("the focus can't be seen on %s", at.HTML)
		}
		if at.Here {
			b.press(t, keyEnter)
			eventually(t, "the answer", 20*time.Second, func() error {
				if !script[bool](t, b, `return document.readyState === "complete" && document.querySelector(".said, .wrong") !== null`) {
					return fmt.Errorf("the page says nothing")
				}
				return nil
			})
			return
		}
	}
	t.Fatalf("no way by keyboard to the approval of %s", name)
}

// accessible looks at the page that is open: what a screen reader needs, that a phone
// shows it without scrolling sideways, and that nothing came from anywhere else.
func accessible(t *testing.T, b *browser) {
	t.Helper()
	type page struct {
		Lang, Main, H1, Nav, Caption, IDs bool
		Unlabelled, Foreign               []string
		Resources                         bool
	}
	const look = `const all = (s) => [...document.querySelectorAll(s)];
const named = (e) => e.labels?.length > 0 && e.labels[0].innerText.trim() !== "" || e.innerText?.trim() || e.getAttribute("aria-label");
const ids = all("[id]").map((e) => e.id), loaded = performance.getEntriesByType("resource").map((e) => e.name);
return {Lang: document.documentElement.lang === "en", Main: all("main").length === 1, H1: all("h1").length === 1, Nav: all("nav[aria-label]").length === 1,
  Caption: all("table").every((e) => e.caption), IDs: new Set(ids).size === ids.length,
  Unlabelled: all("input:not([type=hidden]), select, textarea, button, a").filter((e) => !named(e)).map((e) => e.outerHTML),
  Foreign: loaded.filter((name) => new URL(name).origin !== location.origin), Resources: loaded.length >= 2}`
	want := page{Lang: true, Main: true, H1: true, Nav: true, Caption: true, IDs: true, Unlabelled: []string{}, Foreign: []string{}, Resources: true}
	where := script[string](t, b, `return location.pathname + location.search`)
	if diff := cmp.Diff(want, script[page](t, b, look)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", where, diff)
	}
	if said := b.text(t, ".wrong"); strings.Contains(where, "/record") && said != "" {
		t.Errorf("%s says %q", where, said)
	}
	b.width(t, 375)
	if wide := script[int](t, b, `return document.documentElement.scrollWidth`); wide > 375 {
		t.Errorf("%s is %d pixels wide on a phone of 375", where, wide)
	}
	b.picture(t, "phone"+strings.NewReplacer("/", "-", "?", "-", "&", "-", "=", "-").Replace(where))
	b.width(t, 1280)
}
