package process

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
)

// Port is a port of 127.0.0.1 that nobody else who reserves takes, even while the server that it is for is stopped.
type Port struct {
	Number int
	lock   *os.File
}

// The range lies below what systems give to outgoing connections (from 32768 on Linux) and below node ports (from
// 30000): a server that is stopped for a drill finds its port free when it comes back.
const firstPort, lastPort = 10000, 29999

// ReservePort chooses at random, so that two runs rarely meet, and locks a file named for the port, so that they
// never do. Listening on it once shows that no other program has it.
func ReservePort() (*Port, error) {
	dir := filepath.Join(os.TempDir(), "gitlatch-ports-"+strconv.Itoa(os.Getuid()))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("reserving a port: %w", err)
	}
	var last error
	for range 100 {
		number := firstPort + rand.IntN(lastPort-firstPort+1)
		p, err := lockPort(filepath.Join(dir, strconv.Itoa(number)), number)
		if err == nil {
			return p, nil
		}
		last = err
	}
	return nil, fmt.Errorf("reserving a port: %w", last)
}

func lockPort(file string, number int) (*Port, error) {
	lock, err := os.OpenFile(file, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	listener, err := net.Listen("tcp", Address(number))
	if err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	if err := listener.Close(); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	return &Port{Number: number, lock: lock}, nil
}

// Address is where a server on it listens.
func (p *Port) Address() string { return Address(p.Number) }

// Address is that of a port of 127.0.0.1.
func Address(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

// Release gives it up, as the end of this process does too. It may be called on nil: a start that failed early has not
// reserved all its ports.
func (p *Port) Release() {
	if p != nil {
		_ = p.lock.Close() // closing gives up the lock
	}
}
