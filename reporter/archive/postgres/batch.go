package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/reporter/archive"
)

// batch is one transaction.
type batch struct {
	known   archive.Head
	at      time.Time
	records []*v1alpha1.ChangeRecord

	head archive.Head
	send pgx.Batch
	done archive.Appended
}

func (b *batch) run(ctx context.Context, tx pgx.Tx) error {
	for _, step := range []func(context.Context, pgx.Tx) error{b.lock, b.leaveOut, b.begin, b.fill, b.write} {
		if err := step(ctx, tx); err != nil {
			return err
		}
	}
	return nil
}

// lock holds the head until the end of the transaction: nobody else writes meanwhile.
func (b *batch) lock(ctx context.Context, tx pgx.Tx) error {
	// A server may be set up to confirm what it has not yet written. Not to us.
	if _, err := tx.Exec(ctx, `SET LOCAL synchronous_commit = on`); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, beginHead, archive.Head{}.Hash); err != nil {
		return fmt.Errorf("beginning the chain: %w", err)
	}
	if err := tx.QueryRow(ctx, lockHead).Scan(&b.head.Seq, &b.head.Hash); err != nil {
		return fmt.Errorf("locking the head: %w", err)
	}
	return nil
}

// version is a record as it was at some time.
type version struct{ uid, version string }

// in says that a row holds the record: a whole line of it, with the row's number, which
// is not behind the last that is the reporter's.
func (v version) in(text string, seq int64, last uint64) bool {
	line, err := archive.ParseLine([]byte(text))
	return err == nil && line.Intact && line.UID == v.uid && line.Version == v.version &&
		seq > 0 && line.Seq == uint64(seq) && line.Seq <= last
}

// leaveOut drops the records that an earlier try stored, and was not told of. A row that
// somebody planted keeps no record out: it counts if it is a whole line of the chain.
func (b *batch) leaveOut(ctx context.Context, tx pgx.Tx) error {
	uids, versions := make([]string, len(b.records)), make([]string, len(b.records))
	for i, rec := range b.records {
		uids[i], versions[i] = string(rec.UID), rec.ResourceVersion
	}
	rows, err := tx.Query(ctx, knownOnes, uids, versions)
	if err != nil {
		return fmt.Errorf("looking for known records: %w", err)
	}
	stored := map[version]bool{}
	var v version
	var seq int64
	var text string
	last := b.trusted()
	if _, err := pgx.ForEachRow(rows, []any{&seq, &v.uid, &v.version, &text}, func() error {
		stored[v] = stored[v] || v.in(text, seq, last)
		return nil
	}); err != nil {
		return fmt.Errorf("looking for known records: %w", err)
	}
	var left []*v1alpha1.ChangeRecord
	for _, rec := range b.records {
		v := version{string(rec.UID), rec.ResourceVersion}
		if v.uid == "" || !stored[v] {
			left = append(left, rec)
		}
		stored[v] = true
	}
	b.records = left
	return nil
}

// trusted is the number of the last line that may be the reporter's.
func (b *batch) trusted() uint64 {
	if _, because := archive.Meet(b.head, b.known); archive.BrokenBy(because) {
		return min(b.head.Seq, b.known.Seq)
	}
	return b.head.Seq
}

// begin decides which line to go on from, and writes a start line where it has to.
func (b *batch) begin(ctx context.Context, tx pgx.Tx) error {
	broken, err := b.astray(ctx, tx)
	if err != nil {
		return err
	}
	ours := b.head
	from, because := archive.Meet(ours, b.known)
	b.head = from
	if archive.BrokenBy(because) {
		broken = fmt.Sprintf("the database ends with line %s, and the cluster knows of %s", ours, b.known)
	}
	if broken != "" && because == "" {
		because = "the last line is not the one that was written"
	}
	b.done.Broken = broken
	if because == "" || len(b.records) == 0 {
		return nil
	}
	b.head.Seq = max(from.Seq, ours.Seq) // a number is never given twice
	line, next, err := archive.EncodeStart(b.head, b.at, archive.Start{Sink: Sink, Because: because})
	if err != nil {
		return err
	}
	b.queue(next, "", "", "", line)
	return nil
}

// astray says why the last line is not the one that the head names.
func (b *batch) astray(ctx context.Context, tx pgx.Tx) (string, error) {
	var seq uint64
	var text string
	err := tx.QueryRow(ctx, lastLine).Scan(&seq, &text)
	switch {
	case errors.Is(err, pgx.ErrNoRows) && b.head.Seq == 0:
		return "", nil
	case errors.Is(err, pgx.ErrNoRows):
		return fmt.Sprintf("the table is empty, and its head names line %s", b.head), nil
	case err != nil:
		return "", fmt.Errorf("reading the last line: %w", err)
	}
	line, err := archive.ParseLine([]byte(text))
	if err != nil || !line.Intact || seq != line.Seq || line.Head() != b.head {
		b.head.Seq = max(b.head.Seq, seq) // a number is never given twice
		return fmt.Sprintf("the last line, with seq %d, is not the one that the head names, %s", seq, b.head), nil
	}
	return "", nil
}

func (b *batch) fill(context.Context, pgx.Tx) error {
	for _, rec := range b.records {
		line, next, err := archive.Encode(b.head, b.at, rec)
		if err != nil {
			return err
		}
		b.queue(next, string(rec.UID), rec.ResourceVersion, rec.Name, line)
	}
	return nil
}

func (b *batch) queue(next archive.Head, uid, version, name string, line []byte) {
	b.head = next
	b.send.Queue(insert, next.Seq, uid, version, name, b.at, string(line))
}

func (b *batch) write(ctx context.Context, tx pgx.Tx) error {
	b.done.Head, b.done.Written = b.head, len(b.records)
	if len(b.records) == 0 {
		return nil
	}
	b.send.Queue(moveHead, b.head.Seq, b.head.Hash)
	if err := tx.SendBatch(ctx, &b.send).Close(); err != nil {
		return fmt.Errorf("writing %d lines: %w", len(b.records), err)
	}
	return nil
}
