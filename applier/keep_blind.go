package applier

import (
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/gitlatch/gitlatch/applier/live"
)

// blindness is a kind that can't be watched, so that what others do to its objects is
// found by the next run only.
type blindness struct {
	what string // "apps/Deployment", "apps/Deployment in prod"
	err  error
}

// unwatchable says that the API server does not let a kind be listed or watched. That
// it is not served yet is no such thing: it may come with a CRD of the same commit.
func unwatchable(err error) bool {
	return apierrors.IsForbidden(err) || apierrors.IsUnauthorized(err) || apierrors.IsMethodNotSupported(err)
}

// dim notes why a watch does not run; nil: it does.
func (k *keeper) dim(w kindWatch, err error) {
	if err != nil && !unwatchable(err) {
		return
	}
	w.gvk.Version = ""
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.life == nil {
		return
	}
	if err == nil {
		delete(k.unseen, w)
		return
	}
	if k.unseen == nil {
		k.unseen = map[kindWatch]error{}
	}
	if k.unseen[w] == nil {
		k.log.Info("a kind can't be watched, so its objects are applied by each run", "kind", w.gvk.GroupKind().String(), "namespace", w.namespace, "error", err.Error())
	}
	k.unseen[w] = err
}

// unwatched says that nobody tells what happens to an object. k.mu is held.
func (k *keeper) unwatched(key live.Key) bool {
	if len(k.unseen) == 0 {
		return false
	}
	w := kindWatch{gvk: groupKind(key).WithVersion("")}
	if k.namespaced {
		w.namespace = key.Namespace
	}
	return k.unseen[w] != nil
}

// blind lists the declared kinds that can't be watched, in order.
func (k *keeper) blind() []blindness {
	k.mu.Lock()
	defer k.mu.Unlock()
	var out []blindness
	for w, err := range k.unseen {
		what := w.gvk.Kind
		if w.gvk.Group != "" {
			what = w.gvk.Group + "/" + what
		}
		if w.namespace != "" {
			what += " in " + w.namespace
		}
		out = append(out, blindness{what: what, err: err})
	}
	slices.SortFunc(out, func(a, b blindness) int { return strings.Compare(a.what, b.what) })
	return out
}
