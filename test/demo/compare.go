package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/test/cluster"
	"github.com/gitlatch/gitlatch/test/gitlatch"
)

// carried lists everything that the applier has applied, of all kinds that there are, without what only this cluster's
// own clocks, counters and controllers can know. The mark alone doesn't tell: Endpoints get their Service's labels.
func carried(ctx context.Context, c *cluster.Cluster) (map[string]map[string]any, error) {
	config := rest.CopyConfig(c.Config("admin"))
	config.QPS, config.WarningHandler = -1, rest.NoWarnings{}
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	finder, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return nil, err
	}
	lists, err := finder.ServerPreferredResources()
	if err != nil {
		return nil, fmt.Errorf("asking which kinds there are: %w", err)
	}
	kinds, err := discovery.GroupVersionResources(discovery.FilteredBy(discovery.SupportsAllVerbs{Verbs: []string{"list", "patch"}}, lists))
	if err != nil {
		return nil, err
	}
	all := map[string]map[string]any{}
	for kind := range kinds {
		list, err := client.Resource(kind).List(ctx, metav1.ListOptions{LabelSelector: v1alpha1.LabelSync})
		if err != nil {
			return nil, fmt.Errorf("listing %s: %w", kind.Resource, err)
		}
		for i := range list.Items {
			o := &list.Items[i]
			if !slices.ContainsFunc(o.GetManagedFields(), func(e metav1.ManagedFieldsEntry) bool { return e.Manager == v1alpha1.FieldManager }) {
				continue
			}
			all[strings.TrimPrefix(o.GetNamespace()+"/", "/")+o.GetKind()+"/"+o.GetName()] = lasting(o)
		}
	}
	return all, nil
}

// lasting is what of an object comes from git.
func lasting(o *unstructured.Unstructured) map[string]any {
	for _, path := range [][]string{
		{"status"}, {"spec", "clusterIP"}, {"spec", "clusterIPs"},
		{"metadata", "uid"}, {"metadata", "resourceVersion"}, {"metadata", "generation"}, {"metadata", "creationTimestamp"},
		{"metadata", "managedFields"},
		{"metadata", "annotations", "deployment.kubernetes.io/revision"},
		{"metadata", "annotations", v1alpha1.AnnotationCommit}, // which commit it came with
	} {
		unstructured.RemoveNestedField(o.Object, path...)
	}
	return o.Object
}

// twin is another cluster, of which nobody has touched anything.
type twin struct {
	cluster *cluster.Cluster
	stop    func() error
	ready   chan error
}

// standBy has the second cluster start while the demo goes on.
func (d *demo) standBy(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	t := &twin{ready: make(chan error, 1)}
	ended := make(chan error, 1)
	release := make(chan struct{})
	t.stop = func() error { cancel(); close(release); return <-ended }
	d.twin = t
	go func() { ended <- d.keepTwin(ctx, t, release) }()
}

// keepTwin starts the second cluster, says so, and stops it when that is asked for: one goroutine, so that nothing is
// left running whenever that is.
func (d *demo) keepTwin(ctx context.Context, t *twin, release <-chan struct{}) error {
	started, err := cluster.Start(ctx, cluster.Options{Dir: filepath.Join(d.dir, "twin"), Assets: d.cluster.Assets()})
	if err != nil {
		t.ready <- err
		<-release
		return nil
	}
	t.cluster = started
	installed, err := gitlatch.Install(ctx, started, d.installation(1, io.Discard))
	t.ready <- err
	<-release
	if installed == nil {
		return started.Stop()
	}
	return errors.Join(installed.Stop(), started.Stop())
}

// recreated: the same commit on an empty cluster gives the same objects.
func (d *demo) recreated(ctx context.Context) error {
	d.out.title("The cluster is lost. An empty one gets the same GitSync, and nothing else")
	if err := <-d.twin.ready; err != nil {
		return fmt.Errorf("starting a second cluster: %w", err)
	}
	head, err := d.repo.Head()
	if err != nil {
		return err
	}
	began := time.Now()
	for _, args := range [][]string{{"apply", "-f", filepath.Join(d.dir, "gitsync.yaml")}, waitFor(head)} {
		d.out.command("admin@second", append([]string{"kubectl"}, args...))
		stdout, stderr, code := d.twin.cluster.Kubectl(ctx, "admin", "", args...)
		d.out.answer(stdout + stderr)
		if code != 0 {
			d.saw("the second cluster is recreated from the commit", errors.New(syncSays(ctx, d.twin.cluster)))
			return nil
		}
	}
	d.saw("the second cluster is recreated from the commit", nil)
	d.out.say(fmt.Sprintf("(after %.1f s)", time.Since(began).Seconds()))
	d.saw("and each object in it is the same", d.alike(ctx))
	return nil
}

// alike compares the two clusters object by object.
func (d *demo) alike(ctx context.Context) error {
	first, err := carried(ctx, d.cluster)
	if err != nil {
		return err
	}
	second, err := carried(ctx, d.twin.cluster)
	if err != nil {
		return err
	}
	d.out.say("")
	d.out.say("in both, object by object, but for what a cluster numbers and dates itself:")
	for _, name := range slices.Sorted(maps.Keys(first)) {
		verdict := "the same"
		if !cmp.Equal(first[name], second[name]) {
			verdict = "DIFFERENT"
		}
		d.out.answer(fmt.Sprintf("%-28s %s", name, verdict))
	}
	if len(first) == 0 {
		return errors.New("there is none")
	}
	if diff := cmp.Diff(first, second); diff != "" {
		return fmt.Errorf("(-first +second):\n%s", diff)
	}
	return nil
}
