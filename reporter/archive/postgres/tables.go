package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"
)

// The line is text, not jsonb: what is hashed is its bytes. The columns beside it are
// for searching, and are compared with it. A record's version is not unique: who may
// add rows could else keep a record out by one with its name.
const tables = `
CREATE TABLE IF NOT EXISTS gitlatch_archive (
  seq              bigint      PRIMARY KEY,
  uid              text        NOT NULL,
  resource_version text        NOT NULL,
  name             text        NOT NULL,
  archived_at      timestamptz NOT NULL,
  line             text        NOT NULL
);
CREATE INDEX IF NOT EXISTS gitlatch_archive_version ON gitlatch_archive (uid, resource_version) WHERE uid <> '';
CREATE TABLE IF NOT EXISTS gitlatch_archive_head (
  one  boolean PRIMARY KEY DEFAULT true CHECK (one),
  seq  bigint  NOT NULL,
  hash text    NOT NULL
);`

// prepare makes the tables where they are missing. It does not try where they are
// there: that would need the right to.
func prepare(ctx context.Context, connection *pgx.Conn) error {
	var there bool
	err := connection.QueryRow(ctx,
		`SELECT to_regclass('gitlatch_archive') IS NOT NULL AND to_regclass('gitlatch_archive_head') IS NOT NULL`).Scan(&there)
	if err != nil || there {
		return err
	}
	_, err = connection.Exec(ctx, tables) // several statements in one are one transaction
	return err
}

const (
	beginHead = `INSERT INTO gitlatch_archive_head (seq, hash) VALUES (0, $1) ON CONFLICT (one) DO NOTHING`
	lockHead  = `SELECT seq, hash FROM gitlatch_archive_head WHERE one FOR UPDATE`
	moveHead  = `UPDATE gitlatch_archive_head SET seq = $1, hash = $2 WHERE one`
	lastLine  = `SELECT seq, line FROM gitlatch_archive ORDER BY seq DESC LIMIT 1`
	knownOnes = `SELECT a.seq, a.uid, a.resource_version, a.line FROM gitlatch_archive a JOIN unnest($1::text[], $2::text[]) AS b (uid, resource_version)
  ON a.uid = b.uid AND a.resource_version = b.resource_version`
	insert   = `INSERT INTO gitlatch_archive (seq, uid, resource_version, name, archived_at, line) VALUES ($1, $2, $3, $4, $5, $6)`
	allLines = `SELECT seq, uid, resource_version, name, line FROM gitlatch_archive ORDER BY seq`
)
