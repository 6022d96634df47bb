package applier

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	eventsv1 "k8s.io/api/events/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"

	"github.com/gitlatch/gitlatch/test/cluster"
	"github.com/gitlatch/gitlatch/test/gitlatch"
)

// No value of a Secret stands in any log, event, condition, metric, record or error of
// the package's run. Tests plant values; at the end of the run [leaks.found] looks for
// them in everything that was said.

// vault holds the values that the tests have planted.
type vault struct {
	mu      sync.Mutex
	needles [][]byte
	values  int
}

var planted vault

// plant makes a value one that must not be seen anywhere, and returns it. Values are
// long and nobody else's, or the check would find what is no leak.
func plant(value string) string {
	planted.mu.Lock()
	defer planted.mu.Unlock()
	planted.values++
	planted.needles = append(planted.needles, disguises(value)...)
	return value
}

// newValue is a value for a Secret, planted.
func newValue() string { return plant(named("hunter2-swordfish") + "-of-the-vault") }

// disguises are the value as it is, and what of its base64 does not depend on what
// stands before and after it.
func disguises(value string) [][]byte {
	all := [][]byte{[]byte(value)}
	for shift := range 3 {
		text := base64.RawStdEncoding.EncodeToString(append(make([]byte, shift), value...))
		first := (shift*8 + 5) / 6 // characters that hold bits of what is before
		all = append(all, []byte(text[first:len(text)-1]))
	}
	return all
}

// seen returns where planted values stand in a text, with what is before each.
func (v *vault) seen(text []byte) []string {
	v.mu.Lock()
	defer v.mu.Unlock()
	var found []string
	for _, needle := range v.needles {
		if at := bytes.Index(text, needle); at >= 0 {
			found = append(found, fmt.Sprintf("…%s%s…", text[max(0, at-120):at], needle))
		}
	}
	return found
}

// leaks listens to what a control plane is told that its audit log leaves out.
type leaks struct {
	plane *cluster.Cluster
	gate  *gitlatch.Gitlatch
	stop  chan struct{}

	mu     sync.Mutex
	events bytes.Buffer // one JSON object a line
}

// listen keeps every event from here on.
func listen(plane *cluster.Cluster, gate *gitlatch.Gitlatch) (*leaks, error) {
	l := &leaks{plane: plane, gate: gate, stop: make(chan struct{})}
	admin, err := kubernetes.NewForConfig(plane.Config("admin"))
	if err != nil {
		return nil, err
	}
	keep := func(object any) {
		if e, ok := object.(*eventsv1.Event); ok {
			l.mu.Lock()
			defer l.mu.Unlock()
			_ = json.NewEncoder(&l.events).Encode(e) // a Buffer takes all
		}
	}
	informer := informers.NewSharedInformerFactory(admin, 0).Events().V1().Events().Informer()
	if _, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{AddFunc: keep, UpdateFunc: func(_, now any) { keep(now) }}); err != nil {
		return nil, err
	}
	go informer.Run(l.stop)
	return l, nil
}

// found looks for every planted value in all that was said, and tells where one is.
func (l *leaks) found(ctx context.Context) error {
	defer close(l.stop)
	var wrong []string
	look := func(where string, text []byte) {
		for _, what := range planted.seen(text) {
			wrong = append(wrong, where+": "+what)
		}
	}
	l.mu.Lock()
	look("an event", l.events.Bytes())
	l.mu.Unlock()
	// Every write of a status and of a record stands in the audit log, whole, and so does
	// what the gate said to whom it denied a write; of Secrets it has the fact alone.
	files := []string{l.plane.AuditLog()}
	for _, dir := range []string{filepath.Join(l.plane.Dir(), "log"), l.gate.Applier().DataDir()} {
		err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err == nil && d.Type().IsRegular() {
				files = append(files, path)
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		look(filepath.Base(file), text)
	}
	for _, url := range l.metrics() {
		text, err := get(ctx, url)
		if err != nil {
			return err
		}
		look("a metric", text)
	}
	for _, what := range []string{"gitsyncs.gitlatch.dev", "changerecords.gitlatch.dev", "changepolicies.gitlatch.dev"} {
		out, stderr, code := l.plane.Kubectl(ctx, "admin", "", "get", what, "-A", "-o", "json")
		if code != 0 {
			return fmt.Errorf("listing %s: %s", what, stderr)
		}
		look(what, []byte(out))
	}
	if len(wrong) > 0 {
		return fmt.Errorf("values of Secrets were shown:\n%s", strings.Join(wrong, "\n"))
	}
	return nil
}

func (l *leaks) metrics() []string {
	urls := []string{l.gate.Applier().MetricsURL()}
	for i := range l.gate.Replicas() {
		urls = append(urls, l.gate.MetricsURL(i))
	}
	return urls
}

func get(ctx context.Context, url string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	return io.ReadAll(response.Body)
}

// The search finds what it is there to find, however it is written down.
func TestAPlantedValueIsSeenInEveryDisguise(t *testing.T) {
	var v vault
	v.needles = disguises("correct-horse-battery-staple")
	for _, before := range []string{"", "a", "ab", "abc", `{"password":"`} {
		plain := before + "correct-horse-battery-staple" + "\n"
		for _, text := range []string{plain, base64.StdEncoding.EncodeToString([]byte(plain)), base64.URLEncoding.EncodeToString([]byte(plain))} {
			if len(v.seen([]byte("x "+text+" y"))) == 0 {
				t.Errorf("not seen in %q", text)
			}
		}
	}
	if found := v.seen([]byte("correct horse battery staple")); len(found) > 0 {
		t.Errorf("seen where it is not: %v", found)
	}
}
