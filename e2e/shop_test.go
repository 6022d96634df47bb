package e2e

import (
	"fmt"
	"testing"
)

// declareShop has git declare a small application in a namespace: Deployment web
// with two containers, Service, ConfigMap, Secret and a CronJob.
func declareShop(t *testing.T, ns string) {
	t.Helper()
	declare(t, fmt.Sprintf(shop, ns))
}

const shop = `apiVersion: v1
kind: ConfigMap
metadata: {name: settings, namespace: %[1]s, labels: {app: shop}}
data: {color: blue, motto: "git is the only path"}
---
apiVersion: v1
kind: Secret
metadata: {name: key, namespace: %[1]s}
stringData: {token: plain-and-secret}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: %[1]s, labels: {app: web}}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      tolerations: [{operator: Exists}]
      containers:
      - name: web
        image: registry.example/web:1
        args: [serve, --quiet]
        ports: [{containerPort: 8080}]
        env: [{name: MODE, value: live}]
      - name: side
        image: registry.example/side:1
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: %[1]s}
spec:
  selector: {app: web}
  ports: [{port: 80, targetPort: 8080}]
---
apiVersion: batch/v1
kind: CronJob
metadata: {name: nightly, namespace: %[1]s}
spec:
  schedule: "0 3 * * *"
  jobTemplate:
    spec:
      template:
        spec:
          restartPolicy: Never
          containers: [{name: job, image: registry.example/job:1}]
`
