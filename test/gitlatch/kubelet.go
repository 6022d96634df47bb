package gitlatch

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/gitlatch/gitlatch/test/process"
)

// Kubelet runs Gitlatch's Pods as their node would, for drills that replace them: a new Pod gets a process, with the
// arguments of its container after those that the control plane here needs; one that serves is reported ready; a Pod that
// is deleted takes its process along; a process that ended is started again. So what the Deployments say is what runs.
//
// An installation with one has at least two webhooks, which are behind a proxy.
type Kubelet struct {
	// Programs are what images hold, by their name in the Pod. Left out, or not among them: what [Options] say.
	Programs map[string]string

	g       *Gitlatch
	client  kubernetes.Interface
	serial  int
	members map[string]*member // by pod
	ports   map[string]string  // the address of each webhook that serves, by pod
	failed  map[string]error   // by pod: what would not start
	held    []string           // components whose pods wait

	mu      sync.Mutex // held during a pass
	stop    context.CancelFunc
	ended   chan struct{}
	trouble error
}

// Kubelet takes over the processes of an installation. Its own methods that name a replica are of no use from then on.
func (g *Gitlatch) Kubelet() (*Kubelet, error) {
	if g.proxy == nil {
		return nil, errors.New("a kubelet needs an installation with two webhooks, behind a proxy")
	}
	client, err := kubernetes.NewForConfig(g.cluster.Config("admin"))
	if err != nil {
		return nil, err
	}
	k := &Kubelet{
		Programs: map[string]string{}, g: g, client: client, serial: len(g.replicas),
		members: map[string]*member{}, ports: map[string]string{}, failed: map[string]error{},
	}
	for _, r := range g.replicas {
		k.members[r.pod], k.ports[r.pod] = r.member, process.Address(r.port)
	}
	if g.applier != nil {
		k.members[g.applier.pod] = g.applier.member
	}
	if g.reporter != nil {
		k.members[g.reporter.pod] = g.reporter.member
	}
	g.kubelet = k
	return k, nil
}

// Run begins its work, and goes on until [Kubelet.Stop]. One that works is left so.
func (k *Kubelet) Run() {
	if k.stop != nil {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	k.stop, k.ended = cancel, make(chan struct{})
	go func() {
		defer close(k.ended)
		for {
			k.mu.Lock()
			if err := k.pass(ctx); ctx.Err() == nil {
				k.trouble = err
			}
			k.mu.Unlock()
			select {
			case <-ctx.Done():
				return
			case <-time.After(100 * time.Millisecond):
			}
		}
	}()
}

// Stop ends its work. The processes go on, as containers do when their kubelet is away.
func (k *Kubelet) Stop() {
	if k.stop != nil {
		k.stop()
		<-k.ended
		k.stop = nil
	}
}

// terminate ends its work and its processes.
func (k *Kubelet) terminate() {
	k.Stop()
	var stopping sync.WaitGroup
	for _, m := range k.members {
		stopping.Go(m.Terminate)
	}
	stopping.Wait()
}

// Trouble is what kept its last pass from being whole; nil when nothing did.
func (k *Kubelet) Trouble() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.trouble
}

// Crashed is why the process of a Pod would not start; nil when it did.
func (k *Kubelet) Crashed(pod string) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.failed[pod]
}

// Hold has the Pods of these components wait, and those of all others go on: none of theirs is started until it is told
// otherwise. What runs, runs on.
func (k *Kubelet) Hold(components ...string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.held = components
}

// KillAll ends every process with SIGKILL, as a node that loses its power does. While the kubelet works they come back.
func (k *Kubelet) KillAll() {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, m := range k.members {
		m.Kill()
	}
}

// Kill ends the process of one Pod with SIGKILL.
func (k *Kubelet) Kill(pod string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if m := k.members[pod]; m != nil {
		m.Kill()
	}
}

// Pods are the names of those that have a process.
func (k *Kubelet) Pods() []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Sorted(maps.Keys(k.members))
}

// Logs is what the process of a Pod has written.
func (k *Kubelet) Logs(pod string) string {
	k.mu.Lock()
	defer k.mu.Unlock()
	if m := k.members[pod]; m != nil {
		return m.Logs()
	}
	return ""
}

// pass does once what there is to do. What fails is tried again in the next one.
func (k *Kubelet) pass(ctx context.Context) error {
	list, err := k.client.CoreV1().Pods(Namespace).List(ctx, metav1.ListOptions{LabelSelector: "app.kubernetes.io/part-of=gitlatch"})
	if err != nil {
		return err // away, like everybody
	}
	pods := map[string]*corev1.Pod{}
	for i := range list.Items {
		pods[list.Items[i].Name] = &list.Items[i]
	}
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(k.members)) {
		if pod := pods[name]; pod == nil || pod.DeletionTimestamp != nil {
			k.end(name, pod == nil)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(pods)) {
		pod := pods[name]
		switch m := k.members[name]; {
		case pod.DeletionTimestamp != nil:
			errs = append(errs, k.g.cluster.FinishDeletion(ctx, Namespace, name))
		case slices.Contains(k.held, pod.Labels["app.kubernetes.io/component"]):
		case m == nil && k.failed[name] == nil:
			errs = append(errs, k.begin(ctx, pod))
		case m != nil && !m.Running():
			errs = append(errs, m.Start(ctx))
		}
	}
	return errors.Join(errs...)
}

// end ends a process: asked to, or, when its Pod is gone already, at once.
func (k *Kubelet) end(pod string, gone bool) {
	m := k.members[pod]
	delete(k.ports, pod)
	k.g.proxy.turn(slices.Sorted(maps.Values(k.ports)))
	if gone {
		m.Kill()
	} else {
		m.Terminate()
	}
	delete(k.members, pod)
}

// begin gives a Pod its process, and reports it ready once it serves.
func (k *Kubelet) begin(ctx context.Context, pod *corev1.Pod) error {
	if err := k.g.cluster.Schedule(ctx, Namespace, pod.Name); err != nil {
		return err
	}
	m, port, err := k.prepare(pod)
	if err != nil {
		return err
	}
	token, err := k.g.token(ctx, *pod, pod.Spec.ServiceAccountName)
	if err != nil {
		return fmt.Errorf("making the token of pod %s: %w", pod.Name, err)
	}
	if err := k.g.writeKubeconfig(m.kubeconfig, pod.Spec.ServiceAccountName, token); err != nil {
		return err
	}
	if err := m.Start(ctx); err != nil {
		m.Kill()
		if ctx.Err() == nil {
			k.failed[pod.Name] = err // in a loop of crashes, as kubectl shows it
		}
		return err
	}
	k.members[pod.Name] = m
	if port != 0 {
		k.ports[pod.Name] = process.Address(port)
		k.g.proxy.turn(slices.Sorted(maps.Values(k.ports)))
	}
	return k.g.cluster.MarkRunning(ctx, Namespace, pod.Name)
}

// prepare makes the member of a new Pod, of whichever component it is. port is the webhook's.
func (k *Kubelet) prepare(pod *corev1.Pod) (m *member, port int, err error) {
	g, container := k.g, &pod.Spec.Containers[0]
	k.serial++
	var program string
	var flags []string
	switch component := pod.Labels["app.kubernetes.io/component"]; component {
	case webhook:
		r := &replica{member: g.join(fmt.Sprintf("%s-%d", webhook, k.serial), pod.Name, webhookMemory)}
		if err := g.freePorts(&r.port, &r.metrics, &r.health); err != nil {
			return nil, 0, err
		}
		m, port, program, flags = r.member, r.port, g.options.Binary, g.flags(r)
	case applier:
		a := &Applier{member: g.join(fmt.Sprintf("%s-%d", applier, k.serial), pod.Name, applierMemory), dataDir: g.applier.dataDir}
		if err := g.freePorts(&a.receiver, &a.metrics, &a.health); err != nil {
			return nil, 0, err
		}
		m, program, flags = a.member, g.options.ApplierBinary, g.applierFlags(a)
	case reporter:
		m = g.join(fmt.Sprintf("%s-%d", reporter, k.serial), pod.Name, reporterMemory)
		if err := g.freePorts(&m.metrics, &m.health); err != nil {
			return nil, 0, err
		}
		program, flags = g.options.ReporterBinary, g.reporterFlags(m)
	default:
		return nil, 0, fmt.Errorf("pod %s is of no component: %q", pod.Name, component)
	}
	if other := k.Programs[container.Image]; other != "" {
		program = other
	}
	m.command.Path = program
	m.command.Args = append(flags, slices.DeleteFunc(slices.Clone(container.Args), ofThePod)...)
	return m, port, nil
}

// ofThePod: an argument that names a volume or a port, which a process here does not have to itself.
func ofThePod(arg string) bool {
	return strings.HasPrefix(arg, "--receivers=") || strings.HasPrefix(arg, "--receiver-bind-address=")
}
