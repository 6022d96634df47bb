package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"sigs.k8s.io/yaml"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

// perNamespace is how many objects there are in each namespace.
const perNamespace = 100

// declaration is one object as it stands in git.
type declaration struct {
	file, namespace, name string
	kind                  schema.GroupVersionResource
	text                  string
}

// declarations are so many objects of kinds that no controller works on, so that what is measured is what the applier
// and the API server do: of ten, six ConfigMaps, two PodTemplates, which are as large as Deployments, a Role and a
// NetworkPolicy. Their namespaces come first, and count.
func declarations(prefix string, n int) []declaration {
	var all []declaration
	for i := range n / perNamespace {
		name := fmt.Sprintf("%s-%02d", prefix, i)
		all = append(all, declaration{
			file: name + "/namespace.yaml", name: name, kind: core("namespaces"),
			text: fmt.Sprintf("apiVersion: v1\nkind: Namespace\nmetadata: {name: %s}\n", name),
		})
	}
	for i := 0; len(all) < n; i++ {
		d := declaration{namespace: fmt.Sprintf("%s-%02d", prefix, i/perNamespace), name: fmt.Sprintf("object-%02d", i%perNamespace)}
		form := ""
		switch i % 10 {
		case 6, 7:
			d.kind, form = core("podtemplates"), podTemplate
		case 8:
			d.kind, form = schema.GroupVersionResource{Group: "rbac.authorization.k8s.io", Version: "v1", Resource: "roles"}, role
		case 9:
			d.kind, form = schema.GroupVersionResource{Group: "networking.k8s.io", Version: "v1", Resource: "networkpolicies"}, networkPolicy
		default:
			d.kind, form = core("configmaps"), configMapText()
		}
		d.file = d.namespace + "/" + d.name + ".yaml"
		d.text = strings.NewReplacer("NAME", d.name, "SPACE", d.namespace).Replace(form)
		all = append(all, d)
	}
	return all
}

func core(resource string) schema.GroupVersionResource {
	return schema.GroupVersionResource{Version: "v1", Resource: resource}
}

func configMapText() string {
	var b strings.Builder
	b.WriteString("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: NAME, namespace: SPACE, labels: {app: shop}}\ndata:\n")
	for k, v := range data() {
		fmt.Fprintf(&b, "  %s: %q\n", k, v)
	}
	return b.String()
}

const podTemplate = `apiVersion: v1
kind: PodTemplate
metadata: {name: NAME, namespace: SPACE, labels: {app: NAME, app.kubernetes.io/part-of: shop}}
template:
  metadata: {labels: {app: NAME}}
  spec:
    securityContext: {runAsNonRoot: true, seccompProfile: {type: RuntimeDefault}}
    containers:
    - name: web
      image: registry.example/shop/NAME:1.4.2
      args: [--listen=:8080, --log-level=info]
      ports: [{name: http, containerPort: 8080}]
      env: [{name: LEVEL, value: info}, {name: REGION, value: north}]
      envFrom: [{configMapRef: {name: web}}]
      resources: {requests: {cpu: 100m, memory: 128Mi}, limits: {memory: 256Mi}}
      readinessProbe: {httpGet: {path: /ready, port: http}, periodSeconds: 5}
      livenessProbe: {httpGet: {path: /live, port: http}, initialDelaySeconds: 10}
      securityContext: {allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: {drop: [ALL]}}
      volumeMounts: [{name: tmp, mountPath: /tmp}]
    volumes: [{name: tmp, emptyDir: {sizeLimit: 64Mi}}]
`

const role = `apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: NAME, namespace: SPACE, labels: {app: shop}}
rules:
- {apiGroups: [""], resources: [configmaps, secrets], verbs: [get, list, watch]}
- {apiGroups: [apps], resources: [deployments], resourceNames: [web], verbs: [get, patch]}
`

const networkPolicy = `apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: NAME, namespace: SPACE, labels: {app: shop}}
spec:
  podSelector: {matchLabels: {app: NAME}}
  policyTypes: [Ingress]
  ingress: [{from: [{podSelector: {matchLabels: {app: web}}}], ports: [{port: 8080, protocol: TCP}]}]
`

// workers is how many objects the applier applies at once by default, and so the bare client.
const workers = 16

// applyBare applies the objects as a client does that knows nothing but server-side apply, and says how long it took.
// They carry the same marks, so that as much is sent and stored.
func (w *world) applyBare(ctx context.Context, all []declaration) (time.Duration, error) {
	client, err := w.dynamic("admin")
	if err != nil {
		return 0, err
	}
	bodies := make([][]byte, len(all))
	for i, d := range all {
		if bodies[i], err = marked(d); err != nil {
			return 0, err
		}
	}
	spaces := len(all) / perNamespace
	began := time.Now()
	for _, part := range [][2]int{{0, spaces}, {spaces, len(all)}} {
		err := each(part[1]-part[0], func(i int) error { return applyOne(ctx, client, all[part[0]+i], bodies[part[0]+i]) })
		if err != nil {
			return 0, fmt.Errorf("applying by a bare client: %w", err)
		}
	}
	return time.Since(began), nil
}

func marked(d declaration) ([]byte, error) {
	var content map[string]any
	if err := yaml.Unmarshal([]byte(d.text), &content); err != nil {
		return nil, err
	}
	meta := content["metadata"].(map[string]any)
	labels, _ := meta["labels"].(map[string]any)
	if labels == nil {
		labels = map[string]any{}
	}
	labels["bench.example/sync"] = "gitlatch-system.five"
	meta["labels"] = labels
	meta["annotations"] = map[string]any{
		"bench.example/source": v1alpha1.Source("file:///tmp/gitlatch-bench/ops.git", "five/"+d.file, "main"),
		"bench.example/commit": strings.Repeat("0", 40) + ` "all that there is"`,
	}
	return json.Marshal(content)
}

func applyOne(ctx context.Context, client dynamic.Interface, d declaration, body []byte) error {
	var resource dynamic.ResourceInterface = client.Resource(d.kind)
	if d.namespace != "" {
		resource = client.Resource(d.kind).Namespace(d.namespace)
	}
	force := true
	_, err := resource.Patch(ctx, d.name, types.ApplyPatchType, body, metav1.PatchOptions{FieldManager: "bare", Force: &force})
	return err
}

// each does n things, as many at once as there are workers, and returns the first error.
func each(n int, do func(i int) error) error {
	var working sync.WaitGroup
	errs, next := make(chan error, workers), make(chan int)
	for range workers {
		working.Go(func() {
			var first error
			for i := range next {
				if first == nil {
					first = do(i)
				}
			}
			errs <- first
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	working.Wait()
	for range workers {
		if err := <-errs; err != nil {
			return err
		}
	}
	return nil
}
