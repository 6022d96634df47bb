package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/gitlatch/gitlatch/reporter/archive"
)

// Verify hands every row to a verifier, as they were at one moment, and closes
// nothing. It needs the right to read, and no other.
func Verify(ctx context.Context, connection *pgx.Conn, v *archive.Verifier) error {
	options := pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}
	err := pgx.BeginTxFunc(ctx, connection, options, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, allLines)
		if err != nil {
			return err
		}
		var e archive.Entry
		_, err = pgx.ForEachRow(rows, []any{&e.Seq, &e.UID, &e.Version, &e.Record, &e.Line}, func() error {
			v.Row("gitlatch_archive", e)
			return nil
		})
		return err
	})
	if err != nil {
		return fmt.Errorf("reading the archive from PostgreSQL: %w", err)
	}
	return nil
}

// Head is the end of the chain as the database itself knows it: the next best where
// the cluster can't be asked. ok is false where there is none.
func Head(ctx context.Context, connection *pgx.Conn) (head archive.Head, ok bool, err error) {
	err = connection.QueryRow(ctx, `SELECT seq, hash FROM gitlatch_archive_head WHERE one`).Scan(&head.Seq, &head.Hash)
	if errors.Is(err, pgx.ErrNoRows) || err == nil && head.Seq == 0 {
		return archive.Head{}, false, nil
	}
	if err != nil {
		return archive.Head{}, false, fmt.Errorf("reading the archive's head from PostgreSQL: %w", err)
	}
	return head, true, nil
}
