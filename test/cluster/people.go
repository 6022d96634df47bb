package cluster

import (
	"context"
	"crypto/rand"
	"encoding/csv"
	"errors"
	"fmt"
	"os"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

// person is a named user with a static token. They have a uid, as identity providers give one, so that nothing that
// takes a uid alone for proof of a service account can pass a test.
type person struct {
	name, uid string
	groups    []string
	token     string
}

// everybody is who stands in the token file.
func everybody() []person {
	return []person{
		{name: "admin", groups: []string{"system:masters"}},
		{name: "alice", groups: []string{"devs"}},
		{name: "bob", groups: []string{"devs"}},
		{name: "carol", groups: []string{"devs"}},
		{name: "oncall", groups: []string{"oncall"}},
		{name: "reviewer", groups: []string{"reviewers"}},
	}
}

// hire gives everybody a token, random for each cluster: a kubeconfig of one can't be used on another. An earlier
// start's file is kept, with the kubeconfigs that people already hold.
func hire(tokenFile string) ([]person, error) {
	people := everybody()
	known, err := readTokens(tokenFile)
	if err != nil {
		return nil, fmt.Errorf("reading the people's tokens: %w", err)
	}
	var lines strings.Builder
	w := csv.NewWriter(&lines)
	for i := range people {
		p := &people[i]
		p.uid = p.name + "-uid"
		if p.token = known[p.name]; p.token == "" {
			p.token = rand.Text()
		}
		_ = w.Write([]string{p.token, p.name, p.uid, strings.Join(p.groups, ",")}) // a Builder takes all
	}
	w.Flush()
	if err := os.WriteFile(tokenFile, []byte(lines.String()), 0o600); err != nil {
		return nil, fmt.Errorf("writing the people's tokens: %w", err)
	}
	return people, nil
}

func readTokens(tokenFile string) (map[string]string, error) {
	f, err := os.Open(tokenFile)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	records, err := csv.NewReader(f).ReadAll()
	tokens := map[string]string{}
	for _, record := range records {
		tokens[record[1]] = record[0]
	}
	return tokens, err
}

// grant binds devs and oncall to cluster-admin, so that whatever they are denied is denied by Gitlatch and not by RBAC.
// Reviewers get nothing here: what a reviewer needs, Gitlatch's own roles must give.
func (c *Cluster) grant(ctx context.Context) error {
	client, err := kubernetes.NewForConfig(c.Config("admin"))
	if err != nil {
		return err
	}
	for _, group := range []string{"devs", "oncall"} {
		subject := rbacv1.Subject{Kind: rbacv1.GroupKind, APIGroup: rbacv1.GroupName, Name: group}
		if err := bind(ctx, client, "test:"+group, "cluster-admin", subject); err != nil {
			return fmt.Errorf("granting %s what they may do: %w", group, err)
		}
	}
	return nil
}

// bind lets the subject have the ClusterRole everywhere; a binding that is already there stays.
func bind(ctx context.Context, client kubernetes.Interface, name, role string, subject rbacv1.Subject) error {
	_, err := client.RbacV1().ClusterRoleBindings().Create(ctx, &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role},
		Subjects:   []rbacv1.Subject{subject},
	}, metav1.CreateOptions{})
	return ignoreExists(err)
}

func ignoreExists(err error) error {
	if apierrors.IsAlreadyExists(err) {
		return nil
	}
	return err
}

// pipeline makes the service account ci/pipeline, a cluster administrator with a token that is bound to no pod: what a
// continuous-integration job outside the cluster holds. It is known as "pipeline".
func (c *Cluster) pipeline(ctx context.Context) error {
	identity, err := c.ServiceAccount(ctx, "ci", "pipeline", AccountOptions{Unbound: true, ClusterAdmin: true})
	if err != nil {
		return err
	}
	return c.know("pipeline", identity.Config)
}

// Certificate returns a configuration whose client certificate says this user and these groups, as components, nodes
// and kubeadm's administrators have. The API server adds a credential-id ("X509SHA256=…") to its extra, and no uid.
func (c *Cluster) Certificate(user string, groups ...string) (*rest.Config, error) {
	cert, key, err := c.authority.client(user, groups...)
	if err != nil {
		return nil, err
	}
	config := c.anonymous()
	config.CertData, config.KeyData = cert, key
	return config, nil
}

// Person makes one more person, of these groups, known to [Cluster.Config] and to kubectl by their name. They prove who
// they are with a client certificate.
func (c *Cluster) Person(name string, groups ...string) error {
	config, err := c.Certificate(name, groups...)
	if err != nil {
		return err
	}
	return c.know(name, config)
}
