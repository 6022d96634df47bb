package gitserver

import (
	"os"
	"path/filepath"
)

// Client is how [Repo.PushTo] shows who it is. Dir is a folder for its files.
type Client struct {
	Dir        string
	CA         []byte // https
	Identity   []byte // ssh
	KnownHosts []byte // ssh
	// Header is sent with https, such as "Authorization: Bearer …".
	Header string
}

func (c Client) environment() ([]string, error) {
	for name, content := range map[string][]byte{"ca.crt": c.CA, "identity": c.Identity, "known_hosts": c.KnownHosts} {
		if err := os.WriteFile(filepath.Join(c.Dir, name), content, 0o600); err != nil {
			return nil, err
		}
	}
	return []string{
		"GIT_SSL_CAINFO=" + filepath.Join(c.Dir, "ca.crt"),
		"GIT_SSH_COMMAND=ssh -F /dev/null -o IdentitiesOnly=yes -o BatchMode=yes -i " + filepath.Join(c.Dir, "identity") +
			" -o UserKnownHostsFile=" + filepath.Join(c.Dir, "known_hosts"),
	}, nil
}

func (c Client) config() []string {
	if c.Header == "" {
		return nil
	}
	return []string{"-c", "http.extraHeader=" + c.Header}
}
