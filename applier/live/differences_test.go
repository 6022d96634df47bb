package live

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gitlatch/gitlatch/policy"
)

func TestWhatIsAppliedDoesNotDiffer(t *testing.T) {
	c, _ := newCluster(t)
	space := newSpace(t)
	for _, text := range []string{configMap, deployment, service, cronJob, secret, job, statefulSet, claim, binding, everything, policyText, ingress, autoscaler, quota} {
		o := prepare(t, c, space, text)
		apply(t, c, o, nil)
		if d := Differences(o, get(t, c, o).Object); len(d) > 0 {
			t.Errorf("%s: %+v", o.Key, d)
		}
	}
}

const everything = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: all, annotations: {empty: ""}}
spec:
  replicas: 0
  paused: false
  strategy: {}
  selector: {matchLabels: {app: all}}
  template:
    metadata: {creationTimestamp: null, labels: {app: all}, annotations: {}}
    spec:
      securityContext: {}
      serviceAccountName: ""
      nodeSelector: {disk: ssd}
      tolerations: [{key: a, operator: Exists}]
      initContainers: []
      topologySpreadConstraints: [{maxSkew: 1, topologyKey: zone, whenUnsatisfiable: ScheduleAnyway, labelSelector: {matchLabels: {app: all}}}]
      volumes:
      - {name: tmp, emptyDir: {sizeLimit: 1024Mi}}
      - {name: conf, configMap: {name: settings, items: [{key: colour, path: c}]}}
      - {name: token, projected: {sources: [{serviceAccountToken: {path: token}}]}}
      containers:
      - name: b
        image: b
        command: [run, "-v"]
        ports: [{name: dns, containerPort: 53, protocol: UDP}, {name: dns-tcp, containerPort: 53}]
        resources: {requests: {cpu: 0.5, memory: 1024Mi}, limits: {memory: 1Gi}}
        readinessProbe: {httpGet: {path: /, port: dns-tcp}}
        env: [{name: A, value: ""}, {name: LIMIT, valueFrom: {resourceFieldRef: {resource: limits.memory}}}]
        volumeMounts: [{name: tmp, mountPath: /tmp}]
      - {name: a, image: a, securityContext: {capabilities: {drop: [ALL]}}}
`

const policyText = `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: only-web}
spec: {podSelector: {}, policyTypes: [Ingress], ingress: [{from: [{podSelector: {matchLabels: {app: web}}}], ports: [{port: 80}]}]}
`

const ingress = `
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: web}
spec: {rules: [{host: a.example, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]}}]}
`

const autoscaler = `
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: web}
spec:
  minReplicas: 2
  maxReplicas: 5
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}
  metrics: [{type: Resource, resource: {name: memory, target: {type: AverageValue, averageValue: 1024Mi}}}]
`

const quota = `
apiVersion: v1
kind: ResourceQuota
metadata: {name: q}
spec: {hard: {requests.cpu: 1000m, pods: 100}}
`

func TestDifferences(t *testing.T) {
	c, _ := newCluster(t)
	for name, test := range map[string]struct {
		declared, patch string
		want            []policy.Change
	}{
		"another image": {
			declared: deployment, patch: `{"spec":{"template":{"spec":{"containers":[{"name":"web","image":"web:2","ports":[{"containerPort":80}]}]}}}}`,
			want: []policy.Change{
				{Path: `.spec.template.spec.containers[name="web"].env[name="NODE"]`, To: map[string]any{"name": "NODE", "valueFrom": map[string]any{"fieldRef": map[string]any{"fieldPath": "spec.nodeName"}}}, HasTo: true},
				{Path: `.spec.template.spec.containers[name="web"].image`, From: "web:2", To: "web:1", HasFrom: true, HasTo: true},
				{Path: `.spec.template.spec.containers[name="web"].resources.limits.cpu`, To: "1000m", HasTo: true},
				{Path: `.spec.template.spec.containers[name="web"].resources.limits.memory`, To: "1Gi", HasTo: true},
			},
		},
		"more beside what is declared": {declared: deployment, patch: `{"metadata":{"labels":{"a":"b"}},"spec":{"minReadySeconds":3}}`},
		"a whole map with more in it": {
			declared: everything, patch: `{"spec":{"template":{"spec":{"nodeSelector":{"zone":"a"}}}}}`,
			want: []policy.Change{{Path: ".spec.template.spec.nodeSelector.zone", From: "a", HasFrom: true}},
		},
		"another quantity": {
			declared: quota, patch: `{"spec":{"hard":{"requests.cpu":"2"}}}`,
			want: []policy.Change{{Path: `.spec.hard["requests.cpu"]`, From: "2", To: "1000m", HasFrom: true, HasTo: true}},
		},
		"a list that is owned as a whole": {
			declared: everything, patch: `{"spec":{"template":{"spec":{"tolerations":[{"key":"a","operator":"Exists"},{"key":"b","operator":"Exists"}]}}}}`,
			want: []policy.Change{{
				Path: ".spec.template.spec.tolerations",
				From: []any{map[string]any{"key": "a", "operator": "Exists"}, map[string]any{"key": "b", "operator": "Exists"}},
				To:   []any{map[string]any{"key": "a", "operator": "Exists"}}, HasFrom: true, HasTo: true,
			}},
		},
		"the mark": {
			declared: configMap, patch: `{"metadata":{"labels":null}}`,
			want: []policy.Change{{Path: `.metadata.labels["gitlatch.dev/sync"]`, To: mark, HasTo: true}},
		},
		"a text that reads as a quantity": {
			declared: configMap, patch: `{"data":{"size":"1000m"}}`,
			want: []policy.Change{{Path: ".data.size", From: "1000m", To: "1", HasFrom: true, HasTo: true}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			o := prepare(t, c, newSpace(t), test.declared)
			apply(t, c, o, nil)
			patchAs(t, c, o, "operator", test.patch)
			live := get(t, c, o)
			if diff := cmp.Diff(test.want, Differences(o, live.Object)); diff != "" {
				t.Error(diff)
			}
			apply(t, c, o, nil)
			if d := Differences(o, get(t, c, o).Object); len(d) > 0 {
				t.Errorf("after an apply: %+v", d)
			}
		})
	}
	if d := Differences(prepare(t, c, "prod", configMap), nil); len(d) != 8 {
		t.Errorf("of an object that is not there: %+v", d)
	}
}
