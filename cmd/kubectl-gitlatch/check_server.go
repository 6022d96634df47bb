package main

import (
	"context"
	"fmt"

	"github.com/gitlatch/gitlatch/applier/live"
)

// ask has the API server try what the folders declare.
func (c *check) ask(ctx context.Context, i *inspection) error {
	config, err := c.server.config()
	if err != nil {
		return err
	}
	cluster, err := live.New(config)
	if err != nil {
		return err
	}
	note := func(format string, args ...any) { fmt.Fprintf(c.ErrOut, "note: "+format+"\n", args...) }
	for _, f := range i.folders {
		objects, err := cluster.Prepare(f.objects, f.prepare)
		if err := i.broken(err); err != nil {
			return err
		}
		d := &differ{cluster: cluster, dryRun: true, closed: f.options.Encrypted, notes: note}
		found, refused, err := d.compare(ctx, objects)
		if err != nil {
			return err
		}
		i.differences = append(i.differences, found...)
		for n := range objects {
			if err := refused[objects[n].Key]; err != nil {
				i.findings = append(i.findings, finding{Severity: severityError, File: objects[n].Source,
					Object: objects[n].Key.String(), Reason: reasonRefused, Message: err.Error()})
			}
		}
	}
	return nil
}
