package applier

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/test/cluster"
	"github.com/gitlatch/gitlatch/test/gitlatch"
)

// Scenario 25: kill -9 at any step. The next run ends at the commit, nothing is deleted
// by mistake, and nothing stays that nobody remembers.

// crash is a project on a control plane of its own, where the applier may die. It holds
// what git declares: level by name of a ConfigMap.
type crash struct {
	*project
	gate     *gitlatch.Gitlatch
	declared map[string]string
	retired  map[string]bool // names that git declared once, and never again
	random   *rand.Rand
	serial   int
}

// crashing starts the control plane that the tests of this file share, and makes it the
// one that their helpers ask.
func crashing(t *testing.T) (*cluster.Cluster, *gitlatch.Gitlatch) {
	t.Helper()
	own, err := cluster.Start(t.Context(), cluster.Options{Assets: plane.Assets()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := own.Stop(); err != nil {
			t.Error(err)
		}
	})
	installed, err := gitlatch.Install(t.Context(), own, gitlatch.Options{
		Applier: true, Binary: gate.Binary(), ApplierBinary: filepath.Join(plane.Dir(), "bin", "applier"), ApplierFlags: []string{"-v=1"},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := installed.Stop(); err != nil {
			t.Error(err)
		}
	})
	if err := installed.Policy(t.Context(), policyCluster); err != nil {
		t.Fatal(err)
	}
	return own, installed
}

// ask makes a control plane and its Gitlatch those that the helpers ask.
func ask(p *cluster.Cluster, g *gitlatch.Gitlatch) {
	plane, gate = p, g
	here.Plane, here.Gate = p, g
}

func TestKilledAtAnyMomentTheNextRunConverges(t *testing.T) {
	own, installed := crashing(t)
	shared, sharedGate := plane, gate
	ask(own, installed) // no test of this package runs beside: this one is not parallel
	defer ask(shared, sharedGate)
	seed := uint64(time.Now().UnixNano())
	t.Logf("the seed is %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))

	t.Run("at every step", func(t *testing.T) {
		w := newCrash(t, installed, random, 8)
		for _, step := range []string{"depend", "fetch", "verify", "render", "prepare", "takeStock", "apply", "prune", "conclude", "health"} {
			t.Run(step, func(t *testing.T) {
				w := w.of(t)
				w.killAt(w.next(), step, 0)
			})
		}
	})
	t.Run("while 200 objects are applied", func(t *testing.T) {
		w := newCrash(t, installed, random, 200)
		for range 6 {
			commit := w.next()
			for name := range w.declared {
				w.set(name, "changed-"+commit[:7])
			}
			w.killAt(w.commit("change all"), "apply", time.Duration(random.Int64N(int64(600*time.Millisecond))))
		}
	})
	t.Run("while 100 objects are pruned", func(t *testing.T) {
		w := newCrash(t, installed, random, 120)
		for _, name := range slices.Sorted(maps.Keys(w.declared))[:100] {
			w.drop(name)
		}
		w.killAt(w.commit("drop most"), "prune", time.Duration(random.Int64N(int64(200*time.Millisecond))))
	})
	t.Run("while objects are created anew", func(t *testing.T) { crashRecreating(t, installed, random) })
	t.Run("while a sync is deleted", func(t *testing.T) { crashDeleting(t, installed, random) })
	t.Run("while a big repository is fetched", func(t *testing.T) { crashFetching(t, installed, random) })
}

func newCrash(t *testing.T, installed *gitlatch.Gitlatch, random *rand.Rand, objects int) *crash {
	t.Helper()
	w := &crash{project: newProject(t, ""), gate: installed, declared: map[string]string{}, retired: map[string]bool{}, random: random}
	for range objects {
		w.add()
	}
	first := w.commit("declare")
	w.follow()
	w.applied(first)
	w.isWhole(first)
	return w
}

func (w *crash) of(t *testing.T) *crash {
	inner, out := *w.project, *w
	inner.t, out.project = t, &inner
	return &out
}

func (w *crash) add() {
	w.serial++
	w.set(named("object"), "first")
}

func (w *crash) set(name, level string) {
	w.write("deploy/"+name+".yaml", strings.ReplaceAll(configMap(name), "info", level))
	w.declared[name] = level
}

func (w *crash) drop(name string) {
	w.remove("deploy/" + name + ".yaml")
	delete(w.declared, name)
	w.retired[name] = true
}

// next is a commit that creates, changes, renames and removes.
func (w *crash) next() string {
	w.t.Helper()
	names := slices.Sorted(maps.Keys(w.declared))
	w.random.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
	w.add()
	w.set(names[0], named("level"))
	w.drop(names[1])
	w.drop(names[2])
	w.add() // what one of them is called now
	return w.commit("create, change, rename and remove")
}

// killAt asks for a sync, kills the applier at a step of it or that long after, starts
// it again, and expects the cluster to come to be what the commit declares.
func (w *crash) killAt(commit, step string, after time.Duration) {
	w.t.Helper()
	tail := w.tail()
	w.ask()
	tail.await(w.t, `"taking a step"`, `"name":"`+w.sync+`"`, `"step":"`+step+`"`)
	time.Sleep(after) // 0, or a random moment: there is nothing to wait for
	w.die()
	w.caughtUp(commit)
	w.isWhole(commit)
}

// ask asks for a sync and does not wait.
func (w *crash) ask() {
	w.t.Helper()
	kubectl(w.t, syncer, "annotate", "gitsync", w.sync, "-n", w.home, "--overwrite", v1alpha1.AnnotationRequestedAt+"="+named("at")).MustAllow(w.t)
}

// die kills the applier and starts it again.
func (w *crash) die() {
	w.t.Helper()
	w.gate.Applier().Kill()
	if err := w.gate.Applier().Start(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
}

// isWhole expects exactly what is declared: in the cluster, in the inventory, and that
// nothing declared was ever deleted.
func (w *crash) isWhole(commit string) {
	w.t.Helper()
	var got map[string]string
	eventually(w.t, "the cluster to be what the commit declares", func(ctx context.Context) error {
		list := &corev1.ConfigMapList{}
		if err := here.Client(w.t, "admin").List(ctx, list, client.MatchingLabels{v1alpha1.LabelSync: v1alpha1.SyncLabel(w.home, w.sync)}); err != nil {
			return err
		}
		got = map[string]string{}
		for _, c := range list.Items {
			got[c.Name] = c.Data["level"]
		}
		if diff := cmp.Diff(w.declared, got); diff != "" {
			return errors.New(diff)
		}
		return nil
	})
	s := w.await("the sync", func(*v1alpha1.GitSync) error { return nil })
	want := []v1alpha1.InventoryEntry{{ID: "_" + w.namespace + "__Namespace", Version: "v1"}}
	for name := range w.declared {
		want = append(want, v1alpha1.InventoryEntry{ID: w.namespace + "_" + name + "__ConfigMap", Version: "v1"})
	}
	slices.SortFunc(want, func(a, b v1alpha1.InventoryEntry) int { return strings.Compare(a.ID, b.ID) })
	if diff := cmp.Diff(want, s.Status.Inventory.Entries); diff != "" {
		w.t.Errorf("the inventory (-want +got):\n%s", diff)
	}
	if s.Status.LastAppliedCommit != commit {
		w.t.Errorf("the last applied commit is %s, not %s", s.Status.LastAppliedCommit, commit)
	}
	for name := range deleted(w.t, w.namespace, "configmaps") {
		if !w.retired[name] {
			w.t.Errorf("%s was deleted, and git declares it", name)
		}
	}
}

// deleted are the names of what was deleted in a namespace, as the audit log has it.
func deleted(t *testing.T, namespace, resource string) map[string]int {
	t.Helper()
	f, err := os.Open(plane.AuditLog())
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	names := map[string]int{}
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		if !strings.Contains(lines.Text(), `"verb":"delete`) || !strings.Contains(lines.Text(), `"namespace":"`+namespace+`"`) {
			continue
		}
		var event struct {
			Verb      string
			ObjectRef struct{ Namespace, Resource, Name string }
		}
		if err := json.Unmarshal(lines.Bytes(), &event); err != nil {
			t.Fatal(err)
		}
		if event.ObjectRef.Namespace == namespace && event.ObjectRef.Resource == resource {
			names[event.ObjectRef.Name]++
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return names
}

// tail follows the applier's log from here on.
type tail struct {
	file string
	from int64
}

func (w *crash) tail() *tail {
	w.t.Helper()
	file := filepath.Join(plane.Dir(), "log", "applier.log")
	info, err := os.Stat(file)
	if err != nil {
		w.t.Fatal(err)
	}
	return &tail{file, info.Size()}
}

// await returns as soon as a line holds all of these.
func (l *tail) await(t *testing.T, words ...string) {
	t.Helper()
	f, err := os.Open(l.file)
	if err == nil {
		_, err = f.Seek(l.from, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	lines, line := bufio.NewReader(f), ""
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); {
		part, err := lines.ReadString('\n')
		line += part
		if err != nil {
			time.Sleep(100 * time.Microsecond)
			continue
		}
		if !slices.ContainsFunc(words, func(word string) bool { return !strings.Contains(line, word) }) {
			return
		}
		line = ""
	}
	t.Fatalf("the applier did not log %s", strings.Join(words, ", "))
}
