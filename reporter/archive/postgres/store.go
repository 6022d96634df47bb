package postgres

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/reporter/archive"
)

// Sink is the name of a Store's chain.
const Sink = "postgres"

// Store archives records in a database. Its fields are set before the first use; one
// goroutine at a time may use it.
type Store struct {
	// DSNFile holds the connection string: a URL or keywords, as libpq takes them. It
	// is read again for each connection, so that a password may change, and its content
	// shows nowhere.
	DSNFile string
	// Timeout bounds one batch, the connection included. Left out: 30 s.
	Timeout time.Duration

	connection *pgx.Conn
}

const defaultTimeout = 30 * time.Second

// Append writes the records in one transaction. One that the database holds in this
// version is not written again. known is the end of the chain that the cluster knows.
func (s *Store) Append(ctx context.Context, known archive.Head, at time.Time, records []*v1alpha1.ChangeRecord) (archive.Appended, error) {
	timeout := s.Timeout
	if timeout == 0 {
		timeout = defaultTimeout
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	if err := s.connect(ctx); err != nil {
		return archive.Appended{}, err
	}
	b := &batch{known: known, at: at, records: records}
	if err := pgx.BeginFunc(ctx, s.connection, func(tx pgx.Tx) error { return b.run(ctx, tx) }); err != nil {
		s.forget() // whatever state it is in, the next try begins anew
		return archive.Appended{}, fmt.Errorf("archiving to PostgreSQL: %w", err)
	}
	return b.done, nil
}

// connect makes a connection, and the tables, where there is none.
func (s *Store) connect(ctx context.Context) error {
	if s.connection != nil && !s.connection.IsClosed() {
		return nil
	}
	connection, err := Connect(ctx, s.DSNFile)
	if err != nil {
		return err
	}
	if err := prepare(ctx, connection); err != nil {
		closeIn(connection)
		return fmt.Errorf("preparing the archive's tables: %w", err)
	}
	s.connection = connection
	return nil
}

func (s *Store) forget() {
	if s.connection != nil {
		closeIn(s.connection)
	}
	s.connection = nil
}

// Close ends the connection.
func (s *Store) Close() error {
	s.forget()
	return nil
}

// closeIn says goodbye, but waits for no server that hangs.
func closeIn(connection *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = connection.Close(ctx) // everything that counts was committed
}

// Connect opens a connection with the string that a file holds.
func Connect(ctx context.Context, dsnFile string) (*pgx.Conn, error) {
	text, err := os.ReadFile(dsnFile)
	if err != nil {
		return nil, fmt.Errorf("reading the connection string: %w", err)
	}
	config, err := pgx.ParseConfig(strings.TrimSpace(string(text)))
	if err != nil { // whose text quotes the string
		return nil, fmt.Errorf("reading the connection string in %s: it is neither a postgres:// URL nor a list of keywords, or names a file that can't be read", dsnFile)
	}
	connection, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("connecting to PostgreSQL: %w", err)
	}
	return connection, nil
}
