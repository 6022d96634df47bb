package reporter

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gitlatch/gitlatch/test/gitlatch"
)

// busyShop is one of everything that controllers work on.
const busyShop = `apiVersion: v1
kind: ServiceAccount
metadata: {name: web, namespace: shop}
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: worker, namespace: shop}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: worker}
  minReplicas: 3
  maxReplicas: 5
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: worker, namespace: shop}
spec:
  selector: {matchLabels: {app: worker}}
  template:
    metadata: {labels: {app: worker}}
    spec: {containers: [{name: worker, image: registry.example/worker:1}]}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db, namespace: shop}
spec:
  serviceName: db
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec: {containers: [{name: db, image: registry.example/db:1}]}
  volumeClaimTemplates:
  - metadata: {name: data}
    spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
---
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: log, namespace: shop}
spec:
  selector: {matchLabels: {app: log}}
  template:
    metadata: {labels: {app: log}}
    spec: {containers: [{name: log, image: registry.example/log:1}]}
---
apiVersion: batch/v1
kind: Job
metadata: {name: migrate, namespace: shop}
spec:
  ttlSecondsAfterFinished: 1
  template: {spec: {restartPolicy: Never, containers: [{name: migrate, image: registry.example/migrate:1}]}}
---
apiVersion: batch/v1
kind: CronJob
metadata: {name: report, namespace: shop}
spec:
  schedule: "* * * * *"
  jobTemplate: {spec: {template: {spec: {restartPolicy: Never, containers: [{name: report, image: registry.example/report:1}]}}}}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: web, namespace: shop}
spec: {minAvailable: 1, selector: {matchLabels: {app: web}}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: shop-view, labels: {rbac.authorization.k8s.io/aggregate-to-view: "true"}}
rules: [{apiGroups: [shop.example], resources: [orders], verbs: [get]}]
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: orders.shop.example}
spec:
  group: shop.example
  scope: Namespaced
  names: {kind: Order, plural: orders, singular: order, listKind: OrderList}
  versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}]
---
apiVersion: v1
kind: Namespace
metadata: {name: brief}
`

const operatorsOwn = `apiVersion: v1
kind: ConfigMap
metadata: {name: made-by-operator, namespace: shop}
data: {a: b}
---
apiVersion: shop.example/v1
kind: Order
metadata: {name: one, namespace: shop}
spec: {of: socks}
`

// TestABusyClusterHasNoBypasses: with the gate shut, controllers and operators at work,
// commits coming and emergencies on the record, there is nothing to find that is not
// explained.
func TestABusyClusterHasNoBypasses(t *testing.T) {
	u := newUnguarded(t, map[string]string{"shop.yaml": gitlatch.Shop(), "busy.yaml": busyShop})
	u.kubectl(operatorLogin, operatorsOwn, "apply", "--field-manager=operator", "-f", "-")
	u.kubectl(operatorLogin, "", "label", "deployment", "web", "-n", "shop", "cost=low", "--field-manager=operator")
	u.kubectl(operatorLogin, operatorsOwn, "apply", "--server-side", "--force-conflicts", "--field-manager=other-operator", "-f", "-")
	u.commit("another greeting, and no more namespace brief", map[string]string{"busy.yaml": busyShop[:len(busyShop)-len("---\napiVersion: v1\nkind: Namespace\nmetadata: {name: brief}\n")]})
	u.kubectl("alice", "", "annotate", "gitsync", "shop", "-n", gitlatch.Namespace, "gitlatch.dev/requestedAt=now", "--overwrite")
	u.synced()
	u.kubectl("alice", "", "rollout", "restart", "deployment/web", "-n", "shop")
	u.kubectl("oncall", "", "annotate", "configmap", "web", "-n", "shop", "gitlatch.dev/break-glass=INC-42: the greeting is wrong")
	u.kubectl("oncall", "", "patch", "configmap", "web", "-n", "shop", "-p", `{"data":{"greeting":"hello"}}`)
	if _, _, code := u.plane.Kubectl(t.Context(), "alice", "", "scale", "deployment/web", "-n", "shop", "--replicas=9"); code == 0 {
		t.Fatal("alice's scale was let through: the gate is not shut")
	}
	time.Sleep(3 * time.Second) // controllers go on
	found, stats := survey(t, u.fields())
	var explained []string
	for i := range found {
		if !found[i].Explained() {
			t.Errorf("a finding: %+v", found[i])
			continue
		}
		explained = append(explained, brief(&found[i]))
	}
	want := []string{
		"ForeignManager UPDATE configmaps web kubectl-annotate",
		"ForeignManager UPDATE configmaps web kubectl-patch",
		"ForeignManager UPDATE deployments web kubectl-rollout",
	}
	if diff := cmp.Diff(want, explained); diff != "" {
		t.Errorf("explained by records (-want +got):\n%s", diff)
	}
	if len(stats.NotExamined) > 0 {
		t.Errorf("with the reporter's rights, these were not examined: %v", stats.NotExamined)
	}
	// The harness scales Gitlatch's own Deployments before the policy, and a scale has no time.
	if diff := cmp.Diff([]string{"kubectl", "operator", "other-operator"}, undecided(&stats)); diff != "" {
		t.Errorf("managers that may be controllers' (-want +got):\n%s", diff)
	}
	if stats.Findings != 0 || stats.Explained != len(want) || stats.Objects < 200 {
		t.Errorf("counted %+v", stats)
	}
}
