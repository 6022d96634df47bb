package git

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
)

// dialSSH connects, checks the host, shows the key, and starts git-upload-pack there. go-git's own client reads the
// ssh_config of whoever runs it, and can't be cancelled while it connects. Scratch is a folder for a moment's file.
func dialSSH(ctx context.Context, u *url.URL, c Credentials, scratch string) (remote, error) {
	config, err := c.ssh(u)
	if err != nil {
		return nil, err
	}
	port := u.Port()
	if port == "" {
		port = "22"
	}
	address := net.JoinHostPort(u.Hostname(), port)
	config.HostKeyCallback, config.HostKeyAlgorithms, err = hostKeys(address, c.KnownHosts, scratch)
	if err != nil {
		return nil, problem(ErrHostKey, "reading %s: known_hosts can't be read: %v", redact(u.String()), err)
	}
	conn, err := (&net.Dialer{Timeout: 30 * time.Second}).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() }) // whatever waits for it ends
	client, channels, requests, err := ssh.NewClientConn(conn, address, config)
	if err != nil {
		stop()
		_ = conn.Close()
		return nil, err
	}
	s := &sshSession{client: ssh.NewClient(client, channels, requests), stop: stop}
	if err := s.start(u.Path); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return &session{UploadPackSession: s, done: s.Close}, nil
}

func (c Credentials) ssh(u *url.URL) (*ssh.ClientConfig, error) {
	at := redact(u.String())
	if len(c.Identity) == 0 {
		return nil, problem(ErrAuthentication, "reading %s: ssh needs a private key: put it under identity in the Secret that secretRef names", at)
	}
	if len(bytes.TrimSpace(c.KnownHosts)) == 0 {
		return nil, problem(ErrHostKey, "reading %s: ssh needs the server's host key: put its line under known_hosts in the Secret that secretRef names", at)
	}
	signer, err := ssh.ParsePrivateKey(c.Identity)
	var locked *ssh.PassphraseMissingError
	if errors.As(err, &locked) {
		if len(c.IdentityPassword) == 0 {
			return nil, problem(ErrAuthentication, "reading %s: the private key is encrypted: put its password into the Secret too", at)
		}
		signer, err = ssh.ParsePrivateKeyWithPassphrase(c.Identity, c.IdentityPassword)
	}
	if err != nil {
		return nil, problem(ErrAuthentication, "reading %s: the private key can't be read, or its password is wrong", at)
	}
	user := u.User.Username()
	if user == "" {
		user = "git"
	}
	return &ssh.ClientConfig{User: user, Auth: []ssh.AuthMethod{ssh.PublicKeys(signer)}, Timeout: 30 * time.Second}, nil
}

// hostKeys reads known_hosts, and says which kinds of key it knows of a host: the server must be asked for one of
// those, or it may show another that nobody wrote down.
func hostKeys(address string, content []byte, scratch string) (ssh.HostKeyCallback, []string, error) {
	f, err := os.CreateTemp(scratch, "known_hosts-") // the library reads files only
	if err != nil {
		return nil, nil, err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(content)
	if err := errors.Join(err, f.Close()); err != nil {
		return nil, nil, err
	}
	check, err := knownhosts.New(f.Name())
	if err != nil {
		return nil, nil, errors.New(strings.ReplaceAll(err.Error(), f.Name(), "line"))
	}
	var known *knownhosts.KeyError
	var algorithms []string
	if errors.As(check(address, &net.TCPAddr{IP: net.IPv4zero}, unknownKey{}), &known) {
		for _, key := range known.Want {
			algorithms = append(algorithms, algorithmsOf(key.Key.Type())...)
		}
	}
	slices.Sort(algorithms)
	return check, slices.Compact(algorithms), nil
}

func algorithmsOf(kind string) []string {
	if kind == ssh.KeyAlgoRSA {
		return []string{ssh.KeyAlgoRSASHA256, ssh.KeyAlgoRSASHA512}
	}
	return []string{kind}
}

// unknownKey is a key that no known_hosts holds.
type unknownKey struct{}

func (unknownKey) Type() string                        { return "none" }
func (unknownKey) Marshal() []byte                     { return []byte("none") }
func (unknownKey) Verify([]byte, *ssh.Signature) error { return errors.New("no key") }

// start runs git-upload-pack on a path, quoted as a shell reads it.
func (s *sshSession) start(path string) error {
	session, err := s.client.NewSession()
	if err != nil {
		return err
	}
	s.stderr = &tail{}
	session.Stderr = s.stderr
	if s.in, err = session.StdinPipe(); err != nil {
		return err
	}
	if s.out, err = session.StdoutPipe(); err != nil {
		return err
	}
	if strings.HasPrefix(path, "/~") {
		path = path[1:]
	}
	quoted := "'" + strings.NewReplacer("'", `'\''`, "!", `'\!'`).Replace(path) + "'"
	if err := session.Start("git-upload-pack " + quoted); err != nil {
		return fmt.Errorf("starting git-upload-pack: %w", err)
	}
	s.wait = session.Wait
	return nil
}

// tail keeps the beginning of what a server writes to its standard error, for an error of ours.
type tail struct{ text bytes.Buffer }

func (t *tail) Write(p []byte) (int, error) {
	t.text.Write(p[:min(len(p), max(0, 1024-t.text.Len()))])
	return len(p), nil
}

var _ io.Writer = (*tail)(nil)
