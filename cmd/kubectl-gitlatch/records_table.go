package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/duration"
	"k8s.io/cli-runtime/pkg/printers"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

// printTable prints records in columns; nothing at all when there are none.
func printTable(out io.Writer, records []v1alpha1.ChangeRecord, wide bool, now time.Time) error {
	if len(records) == 0 {
		return nil
	}
	table := printers.GetNewTabWriter(out)
	header := []string{"AGE", "OUTCOME", "USER", "VERB", "TARGET", "COUNT", "PHASE", "REVIEW", "REASON", "NAME"}
	if wide {
		header = append(header, "CLASS", "POLICY", "MANAGER", "EVIDENCE", "REVIEWER")
	}
	fmt.Fprintln(table, strings.Join(header, "\t"))
	for i := range records {
		record := &records[i]
		cells := []string{
			age(lastSeen(record), now),
			string(record.Spec.Outcome),
			record.Spec.Requester.Username,
			verb(&record.Spec.Request),
			target(record),
			fmt.Sprint(max(record.Status.Count, 1)),
			string(record.Status.Phase),
			verdict(record),
			string(record.Spec.Reason),
			record.Name,
		}
		if wide {
			cells = append(cells, string(record.Spec.Class), record.Spec.Policy, record.Spec.Request.FieldManager,
				string(record.Spec.Evidence), reviewer(record))
		}
		for i, cell := range cells {
			cells[i] = orNone(cell)
		}
		fmt.Fprintln(table, strings.Join(cells, "\t"))
	}
	return table.Flush()
}

func age(since, now time.Time) string {
	if since.IsZero() {
		return "<unknown>"
	}
	return duration.HumanDuration(now.Sub(since))
}

// verb is the operation, in the case that people use.
func verb(request *v1alpha1.RecordedRequest) string { return strings.ToLower(request.Operation) }

// target names what was to be changed the way a denial does: apps/Deployment
// prod/web, or with a subresource apps/deployments/scale prod/web.
func target(record *v1alpha1.ChangeRecord) string {
	request := &record.Spec.Request
	what := request.Kind
	if request.Subresource != "" {
		what = request.Resource + "/" + request.Subresource
	} else if what == "" {
		what = request.Resource
	}
	name := request.Name
	if record.Status.Name != "" {
		name = record.Status.Name
	}
	return describe(request.Group, what, request.Namespace, name)
}

func describe(group, what, namespace, name string) string {
	if group != "" {
		what = group + "/" + what
	}
	// A namespace is said to be in itself.
	if namespace != "" && !(group == "" && (what == "Namespace" || strings.HasPrefix(what, "namespaces"))) {
		name = namespace + "/" + name
	}
	return what + " " + name
}

func verdict(record *v1alpha1.ChangeRecord) string {
	if record.Status.Review == nil {
		return ""
	}
	return string(record.Status.Review.Verdict)
}

func reviewer(record *v1alpha1.ChangeRecord) string {
	if record.Status.Review == nil {
		return ""
	}
	return record.Status.Review.Reviewer
}
