package manifests_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/policy"
)

// syncs are the identities and field managers of each sample, as they are called at their source.
func syncs() map[string][]string {
	return map[string][]string{
		"gitlatch.yaml": {"gitlatch-system/gitlatch-applier gitlatch"},
		"flux.yaml": {
			"flux-system/kustomize-controller kustomize-controller",
			"flux-system/helm-controller helm-controller",
		},
		"argocd.yaml": {"argocd/argocd-application-controller argocd-controller,argocd-application-controller"},
	}
}

func TestEverySampleIsOnePolicyThatStartsInAudit(t *testing.T) {
	files, err := filepath.Glob("policies/*.yaml")
	if err != nil || len(files) != len(syncs()) {
		t.Fatalf("there are %d samples, not %d (%v)", len(files), len(syncs()), err)
	}
	for _, file := range files {
		objects := decode(t, file)
		if len(objects) != 1 {
			t.Errorf("%s holds %d objects, not 1", file, len(objects))
			continue
		}
		sample, ok := objects[0].(*v1alpha1.ChangePolicy)
		if !ok {
			t.Errorf("%s holds a %T", file, objects[0])
			continue
		}
		if sample.Spec.Mode != v1alpha1.ModeAudit {
			t.Errorf("%s starts in mode %s, not Audit", file, sample.Spec.Mode)
		}
		if !strings.Contains(string(read(t, file)), "# From Audit to Enforce: ") {
			t.Errorf("%s doesn't say how to go on to Enforce", file)
		}
		if _, errs := policy.Compile(sample); len(errs) > 0 {
			t.Errorf("%s can't work: %v", file, errs.ToAggregate())
		}
		var got []string
		for _, sync := range sample.Spec.Sync {
			got = append(got, sync.ServiceAccount.Namespace+"/"+sync.ServiceAccount.Name+" "+strings.Join(sync.FieldManagers, ","))
		}
		if diff := cmp.Diff(syncs()[filepath.Base(file)], got); diff != "" {
			t.Errorf("%s: sync identities (-want +got):\n%s", file, diff)
		}
	}
}
