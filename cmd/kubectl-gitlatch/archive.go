package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"github.com/gitlatch/gitlatch/reporter/archive"
)

func newArchive(server *server, streams genericiooptions.IOStreams) *cobra.Command {
	return newGroup("archive", "Check the archive of records that were deleted",
		`  kubectl gitlatch archive verify archive.jsonl`, nil, newArchiveVerify(server, streams))
}

// archiveVerify checks a chain of lines.
type archiveVerify struct {
	genericiooptions.IOStreams
	server    *server
	files     []string
	logs      bool
	dsnFile   string
	headText  string
	fromText  string
	namespace string
	output    string
	head      archive.Head // of headText
	from      archive.Head // of fromText
}

// Values of --head that are no head.
const (
	headCluster = "cluster"
	headNone    = "none"
)

func newArchiveVerify(server *server, streams genericiooptions.IOStreams) *cobra.Command {
	v := &archiveVerify{IOStreams: streams, server: server}
	cmd := &cobra.Command{
		Use:   "verify [FILE ... | -] [--postgres-dsn-file FILE]",
		Short: "Check that no archived record was edited, removed, moved or put in",
		Long: `Check the hash chain of an archive, and name each place where a line was edited,
removed, reordered, inserted, or cut off at the end.

Name all files of one archive in their order; "-" is standard input. --logs takes
the logs of the reporter, all that there were, where other lines are between.
--postgres-dsn-file reads the database instead.

An archive begins with seq 1: whose first lines are not there is broken. Where they
were moved away on purpose, --from says which was the last of them, as verifying
them said it ("head:").

A chain can't tell by itself that its end was cut off, or that all of it was
written anew. So the end is compared with what the cluster knows, in ConfigMap
gitlatch-reporter, which the gate guards; where that can't be read, the output
says so. --head takes it from elsewhere, and --head none compares nothing, such
as for the first of many files.

Exit codes: 0 intact; 1 broken; 2 bad flags, or an archive that can't be read.`,
		Example: `  # a file on a volume, copied here
  kubectl gitlatch archive verify archive-2025.jsonl archive.jsonl

  # the earlier file is kept elsewhere, and ended there
  kubectl gitlatch archive verify archive.jsonl --from 812:9f2c…

  # what the reporter wrote to its log, in this life and the one before
  kubectl logs -n gitlatch-system deploy/gitlatch-reporter | kubectl gitlatch archive verify before.log - --logs

  # a database, compared with a head noted on another day
  kubectl gitlatch archive verify --postgres-dsn-file dsn.txt --head 812:9f2c…`,
		RunE: func(cmd *cobra.Command, args []string) error {
			v.files = args
			if err := v.check(); err != nil {
				return badInput(err)
			}
			return v.run(cmd.Context())
		},
	}
	f := cmd.Flags()
	f.BoolVar(&v.logs, "logs", false, "the files are logs: pass over other lines")
	f.StringVar(&v.dsnFile, "postgres-dsn-file", "", "`file` with the connection string of the database to read")
	f.StringVar(&v.headText, "head", headCluster, "end that the archive must reach: SEQ:HASH, cluster (ask it), or none")
	f.StringVar(&v.fromText, "from", "", "last line that was moved away on purpose, SEQ:HASH: the archive must go on from there")
	f.StringVar(&v.namespace, "gitlatch-namespace", "gitlatch-system", "the namespace that Gitlatch runs in")
	f.StringVarP(&v.output, "output", "o", "table", "table, json or yaml")
	completeWith(cmd, "head", headCluster, headNone)
	completeWith(cmd, "output", "table", "json", "yaml")
	return cmd
}

func (v *archiveVerify) check() error {
	if err := checkOutput(v.output, "table", "json", "yaml"); err != nil {
		return err
	}
	if v.headText != headCluster && v.headText != headNone {
		head, err := archive.ParseHead(v.headText)
		if err != nil {
			return fmt.Errorf("--head: %w", err)
		}
		v.head = head
	}
	if v.fromText != "" {
		from, err := archive.ParseHead(v.fromText)
		if err != nil {
			return fmt.Errorf("--from: %w", err)
		}
		v.from = from
	}
	switch {
	case len(v.files) == 0 && v.dsnFile == "":
		return errors.New(`name the archive: a FILE, "-" for standard input, or --postgres-dsn-file`)
	case len(v.files) > 0 && v.dsnFile != "":
		return errors.New("files and --postgres-dsn-file are two archives: name one")
	case v.logs && v.dsnFile != "":
		return errors.New("--logs is for files, and a database is none")
	}
	return nil
}
