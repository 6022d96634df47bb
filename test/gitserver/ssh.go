package gitserver

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
)

// SSHServer serves every bare repository below a folder over ssh to the user git with one key.
type SSHServer struct {
	// KnownHosts is the server's line of a known_hosts file.
	KnownHosts []byte
	// Identity is the private key that is let in.
	Identity []byte
	// LockedIdentity is another private key that is let in, encrypted with Password.
	LockedIdentity []byte
	Password       string

	listening
	root   string
	config *ssh.ServerConfig
}

// StartSSH serves the bare repositories below root on a free port of 127.0.0.1.
func StartSSH(root string) (*SSHServer, error) {
	s := &SSHServer{root: root, Password: "correct horse battery staple"}
	var public, locked, host []byte
	var err error
	if s.Identity, public, err = sshKey(""); err != nil {
		return nil, err
	}
	if s.LockedIdentity, locked, err = sshKey(s.Password); err != nil {
		return nil, err
	}
	if host, _, err = sshKey(""); err != nil {
		return nil, err
	}
	hostKey, err := ssh.ParsePrivateKey(host)
	if err != nil {
		return nil, err
	}
	s.config = &ssh.ServerConfig{
		PublicKeyCallback: func(meta ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
			line := strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key)))
			if meta.User() == "git" && (line == string(public) || line == string(locked)) {
				return &ssh.Permissions{}, nil
			}
			return nil, errors.New("unknown key")
		},
	}
	s.config.AddHostKey(hostKey)
	s.serve = s.accept
	if err := s.Start(); err != nil {
		return nil, err
	}
	s.KnownHosts = []byte(knownhosts.Line([]string{knownhosts.Normalize(s.Addr())}, hostKey.PublicKey()) + "\n")
	return s, nil
}

// URL is where a repository below the root is: "ops" for root/ops.git.
func (s *SSHServer) URL(name string) string {
	return "ssh://git@" + s.Addr() + "/" + name + ".git"
}

func (s *SSHServer) accept(listener net.Listener) {
	var open sync.WaitGroup
	defer open.Wait()
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		open.Go(func() { s.connection(conn) })
	}
}

func (s *SSHServer) connection(conn net.Conn) {
	defer conn.Close()
	server, channels, requests, err := ssh.NewServerConn(conn, s.config)
	if err != nil {
		return // a client that is not let in
	}
	defer server.Close()
	go ssh.DiscardRequests(requests)
	var open sync.WaitGroup
	defer open.Wait()
	for offered := range channels {
		if offered.ChannelType() != "session" {
			_ = offered.Reject(ssh.UnknownChannelType, "only sessions")
			continue
		}
		channel, asked, err := offered.Accept()
		if err != nil {
			return
		}
		open.Go(func() { s.session(channel, asked) })
	}
}

// session runs the one command that a client asks for.
func (s *SSHServer) session(channel ssh.Channel, asked <-chan *ssh.Request) {
	defer channel.Close()
	for request := range asked {
		if request.Type != "exec" {
			_ = request.Reply(request.Type == "env", nil)
			continue
		}
		var payload struct{ Command string }
		if err := ssh.Unmarshal(request.Payload, &payload); err != nil {
			_ = request.Reply(false, nil)
			return
		}
		_ = request.Reply(true, nil)
		status := struct{ Status uint32 }{uint32(s.run(channel, payload.Command))}
		_, _ = channel.SendRequest("exit-status", false, ssh.Marshal(status))
		return
	}
}

// run is a git shell for two commands, below the root.
func (s *SSHServer) run(channel ssh.Channel, line string) int {
	match := regexp.MustCompile(`^(git-upload-pack|git-receive-pack) '/?([A-Za-z0-9._/-]+)'$`).FindStringSubmatch(line)
	if match == nil || strings.Contains(match[2], "..") {
		fmt.Fprintf(channel.Stderr(), "not served: %s\n", line)
		return 128
	}
	cmd := exec.Command("git", strings.TrimPrefix(match[1], "git-"), filepath.Join(s.root, match[2]))
	cmd.Env = append(environment(), configuration()...)
	cmd.Stdout, cmd.Stderr = channel, channel.Stderr()
	in, err := cmd.StdinPipe()
	if err != nil {
		return 1
	}
	if err := cmd.Start(); err != nil {
		return 1
	}
	go func() {
		defer in.Close()
		_, _ = io.Copy(in, channel) // ends when either side is closed
	}()
	if err := cmd.Wait(); err != nil {
		return max(1, cmd.ProcessState.ExitCode())
	}
	return 0
}
