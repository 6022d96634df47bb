package main

import (
	"github.com/gitlatch/gitlatch/reporter/archive"
	"github.com/gitlatch/gitlatch/reporter/archive/postgres"
	"github.com/gitlatch/gitlatch/reporter/retention"
)

// archive is what takes records before they are deleted, and where the end of its
// chain is kept.
func (p *parts) archive() (retention.Sink, *archive.Heads) {
	heads := &archive.Heads{Client: p.direct, Namespace: p.options.Namespace, Sink: p.options.Archive}
	switch p.options.Archive {
	case archive.SinkFile:
		return &archive.File{Path: p.options.ArchiveFile}, heads
	case postgres.Sink:
		return &postgres.Store{DSNFile: p.options.ArchiveDSNFile}, heads
	}
	return &archive.Stream{Out: p.stdout}, heads
}
