//go:build peers && linux

package peers

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/gitlatch/gitlatch/test/process"
)

// database is a PostgreSQL server of a test's own, on loopback.
type database struct {
	t        *testing.T
	bin, dir string
	port     string
	password string
	attr     *syscall.SysProcAttr
	server   *exec.Cmd
	log      *os.File
}

// newDatabase makes and starts one.
func newDatabase(t *testing.T) *database {
	t.Helper()
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin")
	must(t, err)
	if len(found) == 0 {
		t.Fatal("there is no PostgreSQL server: apt-get install postgresql")
	}
	slices.Sort(found)
	dir, err := os.MkdirTemp("", "gitlatch-postgres-") // one of the test's own can't be entered by another user
	must(t, err)
	t.Cleanup(func() { must(t, os.RemoveAll(dir)) })
	d := &database{t: t, bin: found[len(found)-1], dir: dir, port: strconv.Itoa(freePort(t).Number), password: "tulip & %41"}
	d.attr = &syscall.SysProcAttr{Credential: d.nobody()}
	passwords := filepath.Join(d.dir, "password")
	must(t, os.WriteFile(passwords, []byte(d.password+"\n"), 0o600))
	d.log, err = os.Create(filepath.Join(d.dir, "log"))
	must(t, err)
	t.Cleanup(func() { _ = d.log.Close() })
	if c := d.attr.Credential; c != nil {
		for _, path := range []string{d.dir, passwords} {
			must(t, os.Chown(path, int(c.Uid), int(c.Gid)))
		}
	}
	made := d.command("initdb", "--auth=scram-sha-256", "--username=owner", "--pwfile="+passwords, "--no-sync", "-D", filepath.Join(d.dir, "data"))
	must(t, made.Run())
	d.start()
	t.Cleanup(func() { d.stop(syscall.SIGINT) })
	return d
}

// nobody is whom the server runs as where we are root, which it refuses.
func (d *database) nobody() *syscall.Credential {
	if os.Geteuid() != 0 {
		return nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		if u, err := user.Lookup(name); err == nil {
			uid, errU := strconv.ParseUint(u.Uid, 10, 32)
			gid, errG := strconv.ParseUint(u.Gid, 10, 32)
			must(d.t, errors.Join(errU, errG))
			return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
		}
	}
	d.t.Fatal("PostgreSQL does not run as root, and there is no user postgres or nobody")
	return nil
}

func (d *database) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(d.bin, name), args...)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr, cmd.SysProcAttr = d.dir, []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C"}, d.log, d.log, d.attr
	return cmd
}

func (d *database) start() {
	d.t.Helper()
	d.server = d.command("postgres", "-D", filepath.Join(d.dir, "data"), "-p", d.port,
		"-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", "-c", "shared_buffers=16MB")
	must(d.t, d.server.Start())
	eventually(d.t, "PostgreSQL to be ready", time.Minute, func() error {
		connection, err := pgx.Connect(d.t.Context(), d.dsn("owner"))
		if err != nil {
			return err
		}
		return connection.Close(d.t.Context())
	})
}

// stop ends the server: with SIGINT in order, with SIGQUIT as if its machine crashed.
func (d *database) stop(how syscall.Signal) {
	if d.server == nil {
		return
	}
	_ = d.server.Process.Signal(how)
	_ = d.server.Wait()
	d.server = nil
}

// dsn is the connection string of a user, who all have one password.
func (d *database) dsn(user string) string {
	return fmt.Sprintf("host=127.0.0.1 port=%s user=%s password='%s' dbname=postgres sslmode=disable", d.port, user, d.password)
}

func (d *database) dsnFile(user string) string {
	d.t.Helper()
	path := filepath.Join(d.t.TempDir(), "dsn")
	must(d.t, os.WriteFile(path, []byte(d.dsn(user)+"\n"), 0o600))
	return path
}

// run runs statements as the owner.
func (d *database) run(statements ...string) {
	d.t.Helper()
	ctx := context.Background()
	connection, err := pgx.Connect(ctx, d.dsn("owner"))
	must(d.t, err)
	defer func() { _ = connection.Close(ctx) }()
	for _, statement := range statements {
		if _, err := connection.Exec(ctx, statement); err != nil {
			d.t.Fatalf("%s: %v", statement, err)
		}
	}
}

// ask asks for one column of text as the owner.
func (d *database) ask(query string) []string {
	d.t.Helper()
	ctx := context.Background()
	connection, err := pgx.Connect(ctx, d.dsn("owner"))
	must(d.t, err)
	defer func() { _ = connection.Close(ctx) }()
	rows, err := connection.Query(ctx, query)
	must(d.t, err)
	out, err := pgx.CollectRows(rows, pgx.RowTo[string])
	must(d.t, err)
	return out
}

func freePort(t *testing.T) *process.Port {
	t.Helper()
	port, err := process.ReservePort()
	must(t, err)
	t.Cleanup(port.Release)
	return port
}
