package gitlatch

// Shop is a small application as it would stand in git: a namespace, configuration, a Deployment and its Service.
func Shop() string {
	return `apiVersion: v1
kind: Namespace
metadata:
  name: shop
---
apiVersion: v1
kind: ConfigMap
metadata:
  name: web
  namespace: shop
data:
  greeting: welcome
  timeout: 30s
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  namespace: shop
  labels: {app: web}
spec:
  replicas: 2
  selector:
    matchLabels: {app: web}
  template:
    metadata:
      labels: {app: web}
    spec:
      containers:
      - name: web
        image: registry.example/shop/web:1.4.2
        ports:
        - {name: http, containerPort: 8080}
        envFrom:
        - configMapRef: {name: web}
---
apiVersion: v1
kind: Service
metadata:
  name: web
  namespace: shop
spec:
  selector: {app: web}
  ports:
  - {name: http, port: 80, targetPort: http}
`
}
