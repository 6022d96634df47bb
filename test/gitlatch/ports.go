package gitlatch

import (
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
)

// The range lies below what systems give to outgoing connections, so that a replica that is killed for a drill finds
// its port free when it comes back, and below that of package cluster.
const firstPort, lastPort = 10000, 19999

// freePort finds a port of 127.0.0.1 that nothing listens on. Two runs at once choose at random among ten thousand.
func freePort() (int, error) {
	var last error
	for range 100 {
		port := firstPort + rand.IntN(lastPort-firstPort+1)
		listener, err := net.Listen("tcp", address(port))
		if err == nil {
			return port, listener.Close()
		}
		last = err
	}
	return 0, fmt.Errorf("finding a free port: %w", last)
}

// freePorts fills in several.
func freePorts(ports ...*int) error {
	for _, port := range ports {
		var err error
		if *port, err = freePort(); err != nil {
			return err
		}
	}
	return nil
}

func address(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }
