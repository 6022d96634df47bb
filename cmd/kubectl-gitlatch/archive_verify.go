package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitlatch/gitlatch/reporter/archive"
	"github.com/gitlatch/gitlatch/reporter/archive/postgres"
)

// headTimeout is how long the cluster has to tell the head: without it the archive
// can still be checked.
const headTimeout = 10 * time.Second

func (v *archiveVerify) run(ctx context.Context) error {
	// The head first: the archive may grow meanwhile, and must not end before it.
	head, unknown := v.knownHead(ctx)
	verifier := &archive.Verifier{Head: head, From: v.from, Logs: v.logs}
	read := v.readFiles
	if v.dsnFile != "" {
		read = v.readDatabase
	}
	note, err := read(ctx, verifier)
	if err != nil {
		if errors.Is(err, context.Canceled) {
			return err
		}
		return badInput(err) // that it is broken is said by another code
	}
	report := verifier.Finish()
	for _, more := range []string{unknown, note} {
		if more != "" {
			report.Notes = append(report.Notes, more)
		}
	}
	if v.output == "table" {
		err = printVerified(v.Out, &report)
	} else {
		err = printAs(v.Out, v.output, report)
	}
	if err == nil && !report.Intact {
		return &exitError{code: exitRefused}
	}
	return err
}

// knownHead is the end of the chain, or why it is not known.
func (v *archiveVerify) knownHead(ctx context.Context) (head *archive.Head, unknown string) {
	switch v.headText {
	case headNone:
		return nil, ""
	case headCluster:
	default:
		return &v.head, ""
	}
	sink := archive.SinkFile
	switch {
	case v.dsnFile != "":
		sink = postgres.Sink
	case v.logs:
		sink = archive.SinkStdout
	}
	ctx, cancel := context.WithTimeout(ctx, headTimeout)
	defer cancel()
	known, err := v.askCluster(ctx, sink)
	if err != nil {
		return nil, fmt.Sprintf("the cluster did not tell where the archive ends: %s", line(err.Error()))
	}
	if known.Seq == 0 {
		return nil, fmt.Sprintf("the cluster knows of no archive of this kind (%s)", sink)
	}
	return &known, ""
}

func (v *archiveVerify) askCluster(ctx context.Context, sink string) (archive.Head, error) {
	config, err := v.server.config()
	if err != nil {
		return archive.Head{}, err
	}
	scheme := runtime.NewScheme()
	if err := corev1.AddToScheme(scheme); err != nil {
		return archive.Head{}, fmt.Errorf("preparing a client: %w", err)
	}
	kinds := meta.NewDefaultRESTMapper(nil) // known, so the API server need not be asked for its kinds
	kinds.Add(corev1.SchemeGroupVersion.WithKind("ConfigMap"), meta.RESTScopeNamespace)
	c, err := client.New(config, client.Options{Scheme: scheme, Mapper: kinds})
	if err != nil {
		return archive.Head{}, fmt.Errorf("preparing a client: %w", err)
	}
	heads := &archive.Heads{Client: c, Namespace: v.namespace, Sink: sink}
	return heads.Load(ctx)
}

func (v *archiveVerify) readFiles(ctx context.Context, verifier *archive.Verifier) (note string, err error) {
	for _, name := range v.files {
		if err := v.readFile(ctx, verifier, name); err != nil {
			return "", err
		}
	}
	return "", nil
}

func (v *archiveVerify) readFile(ctx context.Context, verifier *archive.Verifier, name string) error {
	var from io.Reader = v.In
	if name == "-" {
		name = "standard input"
	} else {
		file, err := os.Open(name)
		if err != nil {
			return fmt.Errorf("opening the archive: %w", err)
		}
		defer func() { _ = file.Close() }() // read only: nothing to lose
		from = file
	}
	return verifier.Read(ctx, name, from)
}

func (v *archiveVerify) readDatabase(ctx context.Context, verifier *archive.Verifier) (note string, err error) {
	connection, err := postgres.Connect(ctx, v.dsnFile)
	if err != nil {
		return "", err
	}
	defer func() { _ = connection.Close(context.WithoutCancel(ctx)) }() // read only
	if verifier.Head == nil && v.headText == headCluster {
		own, ok, err := postgres.Head(ctx, connection)
		if err != nil {
			return "", err
		}
		if ok {
			verifier.Head = &own
			note = "the end is compared with what the database says itself, which proves less"
		}
	}
	return note, postgres.Verify(ctx, connection, verifier)
}
