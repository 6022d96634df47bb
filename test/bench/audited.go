package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/gitlatch/gitlatch/test/gitlatch"
)

// applierAudit has the API server note each request of the applier, save those about its lease and its events.
const applierAudit = `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived, ResponseStarted]
rules:
- level: None
  resources:
  - {group: coordination.k8s.io, resources: [leases]}
  - {group: "", resources: [events]}
  - {group: events.k8s.io, resources: [events]}
- level: Metadata
  users: ["system:serviceaccount:` + gitlatch.Namespace + ":" + gitlatch.ApplierAccount + `"]
- level: None
`

// calls of the applier, as the API server saw them; watches are left out, as they last.
type calls struct {
	all     int
	objects int // writes of what git declares
	lists   int
	status  int // writes of a GitSync or its status
	records int
}

func (c calls) minus(o calls) calls {
	return calls{c.all - o.all, c.objects - o.objects, c.lists - o.lists, c.status - o.status, c.records - o.records}
}

// audited counts what the audit log holds; it is written before a request is answered.
func (w *world) audited() (calls, error) {
	var c calls
	log, err := os.Open(w.plane.AuditLog())
	if errors.Is(err, fs.ErrNotExist) {
		return c, nil
	}
	if err != nil {
		return c, err
	}
	defer log.Close()
	return countCalls(log)
}

func countCalls(log io.Reader) (calls, error) {
	var c calls
	lines := bufio.NewScanner(log)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var e struct {
			Verb      string `json:"verb"`
			ObjectRef struct {
				Resource string `json:"resource"`
				APIGroup string `json:"apiGroup"`
			} `json:"objectRef"`
		}
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			return c, fmt.Errorf("reading the audit log: %w", err)
		}
		if e.Verb == "watch" {
			continue
		}
		c.all++
		ours := e.ObjectRef.APIGroup == "gitlatch.dev"
		switch writes := e.Verb != "get" && e.Verb != "list"; {
		case ours && e.ObjectRef.Resource == "changerecords":
			c.records++
		case writes && ours:
			c.status++
		case writes:
			c.objects++
		case e.Verb == "list":
			c.lists++
		}
	}
	return c, lines.Err()
}
