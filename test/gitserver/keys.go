package gitserver

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"golang.org/x/crypto/ssh"
)

// Key signs commits and tags.
type Key struct {
	// Name is whose it is, such as "alice".
	Name string
	// Public is one line of an authorized_keys file for SSH, an armored public key for OpenPGP.
	Public string
	// File is the private key of SSH, or the home folder of gpg.
	File string

	config, env []string
}

// AllowedSigner is the key's line of an allowed_signers file: the principal is the name at example.com.
func (k *Key) AllowedSigner() string {
	return fmt.Sprintf("%s@example.com namespaces=\"git\" %s\n", k.Name, k.Public)
}

// NewSSHKey makes an ed25519 key in dir that signs in git's SSH format.
func NewSSHKey(dir, name string) (*Key, error) {
	private, public, err := sshKey("")
	if err != nil {
		return nil, err
	}
	file := filepath.Join(dir, name+".key")
	if err := os.WriteFile(file, private, 0o600); err != nil {
		return nil, err
	}
	if err := os.WriteFile(file+".pub", append(bytes.Clone(public), '\n'), 0o600); err != nil {
		return nil, err
	}
	return &Key{Name: name, Public: string(public), File: file,
		config: []string{"-c", "gpg.format=ssh", "-c", "user.signingKey=" + file}}, nil
}

// sshKey makes a private key in OpenSSH's form, encrypted when there is a password, and its public line.
func sshKey(password string) (private, public []byte, err error) {
	pub, priv, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	var block *pem.Block
	if password == "" {
		block, err = ssh.MarshalPrivateKey(priv, "")
	} else {
		block, err = ssh.MarshalPrivateKeyWithPassphrase(priv, "", []byte(password))
	}
	if err != nil {
		return nil, nil, err
	}
	wire, err := ssh.NewPublicKey(pub)
	if err != nil {
		return nil, nil, err
	}
	return pem.EncodeToMemory(block), bytes.TrimSpace(ssh.MarshalAuthorizedKey(wire)), nil
}

// NewPGPKey makes an OpenPGP key of gpg's in a home folder of its own below dir. The folder's name is best kept short:
// gpg's agent listens on a socket in it. [Key.Close] ends the agent.
func NewPGPKey(dir, name string) (*Key, error) {
	home, err := os.MkdirTemp(dir, "gpg")
	if err != nil {
		return nil, err
	}
	k := &Key{Name: name, File: home, env: []string{"GNUPGHOME=" + home},
		config: []string{"-c", "gpg.format=openpgp", "-c", "user.signingKey=" + name + "@example.com"}}
	_, err = k.gpg("--quick-generate-key", fmt.Sprintf("%s <%s@example.com>", name, name), "ed25519", "sign", "never")
	if err != nil {
		return nil, err
	}
	public, err := k.gpg("--armor", "--export")
	k.Public = string(public)
	return k, err
}

func (k *Key) gpg(args ...string) ([]byte, error) {
	cmd := exec.Command("gpg", append([]string{"--batch", "--quiet", "--passphrase", ""}, args...)...)
	cmd.Env = append(environment(), k.env...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("running gpg %s: %w: %s", args[0], err, stderr.String())
	}
	return out, nil
}

// Close ends the agent of an OpenPGP key and removes its folder; nothing for one of SSH.
func (k *Key) Close() error {
	if len(k.env) == 0 {
		return nil
	}
	cmd := exec.Command("gpgconf", "--kill", "gpg-agent")
	cmd.Env = append(environment(), k.env...)
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("ending the agent of gpg: %w", err)
	}
	return os.RemoveAll(k.File)
}
