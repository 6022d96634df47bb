package cluster

import "path/filepath"

// auditPolicy keeps what a review of bypasses needs: every write with what was sent and what was stored. Of secrets,
// config maps and tokens only the fact is kept, as it should be in production; of reads too, since a controller's
// lists would bury the rest. Leases, events and probes are noise.
const auditPolicy = `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
omitManagedFields: false
rules:
- level: None
  resources:
  - {group: coordination.k8s.io, resources: [leases]}
  - {group: "", resources: [events]}
  - {group: events.k8s.io, resources: [events]}
- level: None
  nonResourceURLs: ["/healthz*", "/readyz*", "/livez*", "/metrics", "/version", "/openapi/*"]
- level: Metadata
  resources:
  - {group: "", resources: [secrets, configmaps, serviceaccounts/token]}
  - {group: authentication.k8s.io, resources: [tokenreviews]}
- level: Metadata
  verbs: [get, list, watch]
- level: RequestResponse
`

// AuditLog returns the path of the API server's audit log: one audit.k8s.io/v1 Event in JSON a line, written before
// the request is answered. Writes are logged with request and response, except of Secrets, ConfigMaps and tokens;
// reads with their metadata.
func (c *Cluster) AuditLog() string { return filepath.Join(c.dir, "audit.log") }
