package applier

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

// Options are what the loops are given; cmd/applier fills them from its flags.
type Options struct {
	// Config reaches the API server as the applier itself; what is impersonated is
	// made from a copy of it.
	Config *rest.Config
	// DataDir holds the repositories; a directory that is there and is written to by
	// nobody else. What is lost with it is fetched again.
	DataDir string
	// FileRoots are the folders below which repositories may be read by a file URL, by
	// whoever may make a GitSync; none: no file URL is read.
	FileRoots []string
	// Namespace that Gitlatch runs in.
	Namespace string
	// Replica names this process in records; the pod's name.
	Replica string
	// ConcurrentSyncs is how many syncs run at once.
	ConcurrentSyncs int
	// Workers is how many objects of one sync are applied at once.
	Workers int
	// TakeoverManagers are field managers that are treated as people's, besides those
	// that are known to be.
	TakeoverManagers []string
	// ReceiverAddress is where push notifications are taken, as host:port; empty:
	// nowhere.
	ReceiverAddress string
}

func (o *Options) validate() error {
	switch {
	case o.Config == nil:
		return errors.New("no way to the API server")
	case !filepath.IsAbs(o.DataDir):
		return fmt.Errorf("data directory %q: must be an absolute path", o.DataDir)
	case o.Namespace == "" || o.Replica == "":
		return errors.New("namespace and replica: both must be named")
	case o.ConcurrentSyncs < 1 || o.Workers < 1:
		return fmt.Errorf("%d syncs and %d workers: at least one of each", o.ConcurrentSyncs, o.Workers)
	}
	return nil
}

// maxWoken is how many wake-ups may wait to be taken; more are waited for.
const maxWoken = 1024

// Setup adds the loops to a manager. They run where it leads, and its cache holds
// GitSyncs alone: everything else that a client of it reads, it reads live.
func Setup(mgr manager.Manager, o Options) error {
	if err := o.validate(); err != nil {
		return fmt.Errorf("setting up the applier: %w", err)
	}
	woken := make(chan event.GenericEvent, maxWoken)
	l, err := newLoop(mgr, o, woken)
	if err != nil {
		return fmt.Errorf("setting up the applier: %w", err)
	}
	if err := l.listen(mgr, o.ConcurrentSyncs, woken); err != nil {
		return fmt.Errorf("setting up the applier: %w", err)
	}
	runnables := []manager.Runnable{l.keeping.watch, l.keeping.records, manager.RunnableFunc(l.run)}
	if o.ReceiverAddress != "" {
		runnables = append(runnables, l.receiver(o.ReceiverAddress, mgr.GetLogger(), woken))
	}
	for _, r := range runnables {
		if err := mgr.Add(r); err != nil {
			return fmt.Errorf("setting up the applier: %w", err)
		}
	}
	return nil
}

// run frees the disk when the process begins, and ends the keepers when it does.
func (l *loop) run(ctx context.Context) error {
	l.sweep(ctx) // what was asked for by syncs that are gone since
	<-ctx.Done()
	l.stopAll()
	return nil
}

// receiver takes push notifications for the syncs that name a token.
func (l *loop) receiver(address string, log logr.Logger, woken chan event.GenericEvent) *receiver {
	return &receiver{
		address: address, log: log.WithName("receiver"), count: l.metrics.push,
		token: l.pushToken,
		wake:  func(key types.NamespacedName) { l.wakeUp(key); woken <- wake(key) },
	}
}

// pushToken is the token that proves a push to a sync.
func (l *loop) pushToken(ctx context.Context, key types.NamespacedName) ([]byte, error) {
	sync := &v1alpha1.GitSync{}
	if err := l.client.Get(ctx, key, sync); err != nil {
		return nil, fmt.Errorf("getting GitSync %s: %w", key, err)
	}
	if sync.Spec.Receiver == nil {
		return nil, errors.New("the sync has no spec.receiver")
	}
	data, err := l.references.data(ctx, key, reference{true, types.NamespacedName{Namespace: key.Namespace, Name: sync.Spec.Receiver.SecretRef.Name}})
	if err != nil {
		return nil, err
	}
	return []byte(valueOf(data, keyToken)), nil
}
