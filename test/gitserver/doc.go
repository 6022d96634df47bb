// Package gitserver gives tests and the demo real git: repositories made by the git command line ([Repo]), and servers
// on loopback that serve them, git's own http-backend behind TLS ([StartHTTPS]) and an SSH server that runs
// git-upload-pack and git-receive-pack ([StartSSH]). It imports no `testing`: everything returns errors.
//
//	root := t.TempDir()
//	repo, err := gitserver.NewRepo(filepath.Join(root, "ops"))      // a work tree, and root/ops.git as its origin
//	hash, err := repo.CommitFiles("add web", map[string]string{"web.yaml": "..."}, gitserver.By("bob"))
//	err = repo.Push()
//	server, err := gitserver.StartHTTPS(root, gitserver.HTTPS{Username: "alice", Password: "s3cret"})
//	defer server.Close()
//	url := server.URL("ops")                                         // https://127.0.0.1:port/ops.git
//
// Nothing of the machine's own git configuration is read.
package gitserver
