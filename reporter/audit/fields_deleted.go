package audit

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	metaclient "k8s.io/client-go/metadata"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/policy"
)

// lookForDeleted finds what an inventory has and the cluster has not. A deletion leaves
// nothing else that this witness could see, and nothing at all of what no GitSync lists.
func (s *survey) lookForDeleted(ctx context.Context) error {
	if len(s.declared) == 0 {
		return nil
	}
	return s.eachSync(ctx, func(sync *v1alpha1.GitSync) error {
		if whole, _ := appliedWhole(sync); !whole {
			return nil
		}
		missing := map[string]*kind{}
		for _, entry := range inventoryOf(sync) {
			if k := s.unseen(entry.ID); k != nil {
				missing[entry.ID] = k
			}
		}
		for id, k := range missing {
			gone, err := s.isGone(ctx, k, id)
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if err != nil {
				s.notExamined(k.GroupResource().String(), err.Error())
			}
			if !gone {
				delete(missing, id)
			}
		}
		if len(missing) == 0 {
			return nil
		}
		return s.reportDeleted(ctx, sync, missing)
	})
}

// unseen returns the kind of an entry whose object was looked for and not seen.
func (s *survey) unseen(id string) *kind {
	namespace, name, group, kindName, ok := parseInventory(id)
	if !ok || s.Namespace != "" && namespace != s.Namespace {
		return nil
	}
	k := s.of(group, kindName)
	if k == nil {
		s.notExamined(schema.GroupKind{Group: group, Kind: kindName}.String(), "it is not served any more, or not to be listed; a GitSync declares objects of it")
		return nil
	}
	if !k.examined {
		return nil
	}
	if seen, known := s.declared[keyOf(group, kindName, namespace, name)]; seen || !known {
		return nil
	}
	if s.governing(k, namespace, name, nil) == nil {
		return nil
	}
	return k
}

func (s *survey) isGone(ctx context.Context, k *kind, id string) (bool, error) {
	namespace, name, _, _, _ := parseInventory(id)
	reader := metaclient.ResourceInterface(s.Metadata.Resource(k.GroupVersionResource))
	if k.namespaced {
		reader = s.Metadata.Resource(k.GroupVersionResource).Namespace(namespace)
	}
	_, err := reader.Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return true, nil
	}
	if err != nil {
		return false, fmt.Errorf("looking for %s: %w", nameOf(k, namespace, name), err)
	}
	return false, nil
}

// reportDeleted tells of what is still in the inventory after it was looked for: the
// sync itself may have pruned it meanwhile.
func (s *survey) reportDeleted(ctx context.Context, sync *v1alpha1.GitSync, missing map[string]*kind) error {
	now := &v1alpha1.GitSync{}
	if err := s.Reader.Get(ctx, client.ObjectKeyFromObject(sync), now); err != nil {
		if apierrors.IsNotFound(err) {
			return nil
		}
		return fmt.Errorf("reading GitSync %s/%s: %w", sync.Namespace, sync.Name, err)
	}
	if whole, _ := appliedWhole(now); !whole || now.UID != sync.UID {
		return nil
	}
	for _, entry := range inventoryOf(now) {
		k := missing[entry.ID]
		if k == nil {
			continue
		}
		namespace, name, _, _, _ := parseInventory(entry.ID)
		f := findingAbout(k, namespace, name)
		f.Reason, f.Policy, f.Declared = v1alpha1.ReasonMissing, s.governing(k, namespace, name, nil).Name, true
		f.Request.Operation = string(policy.Delete)
		f.Message = fmt.Sprintf("%s is gone, and GitSync %s/%s still declares it: somebody deleted it", nameOf(k, namespace, name), sync.Namespace, sync.Name)
		f.Next = "have the sync run, which makes it again; the API server's audit log tells who deleted it, and when"
		s.report(f)
	}
	return s.failed
}
