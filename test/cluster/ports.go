package cluster

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

// port is a port of 127.0.0.1 that no other cluster takes while it is reserved, even while its server is stopped.
type port struct {
	number int
	lock   *os.File
}

// The range lies below what systems give to outgoing connections (from 32768 on Linux) and below node ports (from
// 30000): a server that is stopped for a drill finds its port free when it comes back.
const firstPort, lastPort = 20000, 29999

// reservePort chooses at random, so that two runs rarely meet, and locks a file named for the port, so that they
// never do. Listening on it once shows that no other program has it.
func reservePort() (*port, error) {
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

func lockPort(file string, number int) (*port, error) {
	lock, err := os.OpenFile(file, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(number)))
	if err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	if err := listener.Close(); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	return &port{number: number, lock: lock}, nil
}

func (p *port) address() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(p.number)) }

// release may be called on nil: a start that failed early has not reserved all its ports.
func (p *port) release() {
	if p != nil {
		_ = p.lock.Close() // closing gives up the lock
	}
}
