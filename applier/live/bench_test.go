package live

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
)

// The first sync of many objects, by us and by a bare client that knows no owner, mark
// or person. One iteration is one namespace with 1,000 objects.
//
//	go test -run '^$' -bench FirstApply -benchtime 2x ./applier/live
const (
	benched = 1000
	workers = 16
)

func each(n int, do func(i int) error) error {
	var wg sync.WaitGroup
	errs := make(chan error, n)
	next := make(chan int)
	for range workers {
		wg.Go(func() {
			for i := range next {
				if err := do(i); err != nil {
					errs <- err
				}
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	wg.Wait()
	close(errs)
	return <-errs
}

func BenchmarkFirstApply(b *testing.B) {
	for name, text := range map[string]string{"ConfigMap": configMap, "Deployment": strings.Replace(deployment, "replicas: 2", "replicas: 0", 1)} {
		b.Run(name+"/gitlatch", func(b *testing.B) {
			c, _ := newCluster(b)
			for b.Loop() {
				b.StopTimer()
				objects := makeMany(b, c, text, newSpace(b))
				b.StartTimer()
				known, err := c.Snapshot(b.Context(), objects[0].GVK(), objects[0].Namespace)
				must(b, err)
				must(b, each(benched, func(i int) error {
					state := known[objects[i].Key]
					_, err := c.Apply(b.Context(), objects[i], ApplyOptions{Known: &state, Commit: "3f2c1ab", TookOver: (&taken{}).over})
					return err
				}))
			}
			b.ReportMetric(float64(benched*b.N)/b.Elapsed().Seconds(), "objects/s")
		})
		b.Run(name+"/bare", func(b *testing.B) {
			c, _ := newCluster(b)
			config := rest.CopyConfig(adminConfig(b))
			config.QPS = -1
			bare, err := dynamic.NewForConfig(config)
			must(b, err)
			for b.Loop() {
				b.StopTimer()
				objects := makeMany(b, c, text, newSpace(b))
				m, err := c.mapping(objects[0].GVK())
				must(b, err)
				b.StartTimer()
				must(b, each(benched, func(i int) error {
					force := true
					_, err := bare.Resource(m.Resource).Namespace(objects[i].Namespace).Patch(b.Context(), objects[i].Name, "application/apply-patch+yaml",
						json.RawMessage(objects[i].Payload), metav1.PatchOptions{FieldManager: "gitlatch", Force: &force})
					return err
				}))
			}
			b.ReportMetric(float64(benched*b.N)/b.Elapsed().Seconds(), "objects/s")
		})
	}
}

func makeMany(b *testing.B, c *Cluster, text, space string) []*Object {
	b.Helper()
	head, tail, _ := strings.Cut(text, "metadata: {name: ")
	_, tail, _ = strings.Cut(tail, "}")
	objects := make([]*Object, benched)
	for i := range objects {
		objects[i] = prepare(b, c, space, fmt.Sprintf("%smetadata: {name: n%d}%s", head, i, tail))
	}
	return objects
}

func BenchmarkState(b *testing.B) {
	c, _ := newCluster(b)
	o := prepare(b, c, newSpace(b), deployment)
	apply(b, c, o, nil)
	found, err := c.look(b.Context(), o.Ref)
	must(b, err)
	for b.Loop() {
		c.state(found)
	}
}
