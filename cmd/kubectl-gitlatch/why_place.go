package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/applier/desired"
	"github.com/gitlatch/gitlatch/applier/git"
	"github.com/gitlatch/gitlatch/applier/history"
)

// place is where an object is declared.
type place struct {
	sync       *v1alpha1.GitSync // nil: none of ours
	repository *git.Repository
	url        string // "": not known
	options    desired.Options
	namespace  string // of objects that git writes without one
	commit     string // where to begin
	trust      *git.Trust
	applied    []v1alpha1.AppliedCommit
}

func (p *place) String() string { return cmp.Or(p.options.Path, "the repository's root") }

func (p *place) syncName() string {
	if p.sync == nil {
		return ""
	}
	return p.sync.Namespace + "/" + p.sync.Name
}

// place finds the object's sync, its repository, and the commit that the cluster has.
func (w *why) place(ctx context.Context, found *subject) (*place, error) {
	sync, err := w.syncOf(ctx, found)
	if err != nil {
		return nil, err
	}
	p := &place{sync: sync, namespace: found.namespace, options: desired.Options{Path: w.path, Encrypted: true}}
	if sync == nil {
		return p, w.fromClone(p)
	}
	p.url, p.namespace, p.applied = sync.Spec.URL, sync.Namespace, sync.Status.History
	p.options = (&renderFlags{}).ofSync(sync, desired.Keys{}, true).options
	if w.pathSet {
		p.options.Path = w.path
	}
	if p.commit = sync.Status.LastAppliedCommit; p.commit == "" {
		return nil, fmt.Errorf("sync %s has applied no commit yet", p.syncName())
	}
	if err := w.helm(p); err != nil {
		return nil, err
	}
	if p.trust, err = w.trust(ctx, sync); err != nil {
		return nil, err
	}
	p.repository, err = w.repository(ctx, p)
	return p, err
}

// fromClone begins at the HEAD of the clone that was named.
func (w *why) fromClone(p *place) error {
	repository, err := git.Open(w.repo)
	if err != nil {
		return badInput(err)
	}
	head, err := repository.Local(git.Ref{})
	if err != nil {
		return badInput(fmt.Errorf("reading the HEAD of %s: %w", w.repo, err))
	}
	p.repository, p.commit = repository, head.Commit
	return nil
}

// repository is the clone that was named, the one in the working directory, or one in
// the cache.
func (w *why) repository(ctx context.Context, p *place) (*git.Repository, error) {
	if w.repo != "" {
		named, err := git.Open(w.repo)
		if err != nil {
			return nil, badInput(err)
		}
		if _, err := named.Commit(p.commit); err != nil {
			return nil, fmt.Errorf("the clone %s does not have commit %s, which the cluster has: fetch it (git -C %s fetch): %w",
				w.repo, shortHash(p.commit), w.repo, err)
		}
		return named, nil
	}
	if here, err := git.Open("."); err == nil {
		if _, err := here.Commit(p.commit); err == nil {
			return here, nil
		}
	}
	cached, err := fetched(ctx, p)
	if err != nil {
		return nil, fmt.Errorf("%w; to answer from a clone of yours pass --repo DIR", err)
	}
	return cached, nil
}

// fetched is the repository in the user's cache, with the commit.
func fetched(ctx context.Context, p *place) (*git.Repository, error) {
	cache, err := cacheDir()
	if err != nil {
		return nil, err
	}
	store := &git.Store{Dir: filepath.Join(cache, "repositories"), FileRoots: []string{"/"}} // what the user may read, the user may read
	repository, err := store.Repository(p.url)
	if err != nil {
		return nil, err
	}
	if _, err := repository.Commit(p.commit); err == nil {
		return repository, nil
	}
	ref := p.sync.Spec.Ref
	revision, err := repository.Resolve(ctx, git.Credentials{}, git.Ref{Branch: ref.Branch, Tag: ref.Tag, Semver: ref.Semver, Commit: ref.Commit})
	if err == nil {
		err = repository.Fetch(ctx, git.Credentials{}, revision)
	}
	if err != nil {
		return nil, err
	}
	if _, err := repository.Commit(p.commit); err != nil {
		revision, err := repository.Resolve(ctx, git.Credentials{}, git.Ref{Commit: p.commit})
		if err == nil {
			err = repository.Fetch(ctx, git.Credentials{}, revision)
		}
		if err != nil {
			return nil, fmt.Errorf("commit %s, which the cluster has, is not in the history of the ref that is followed now: %w", shortHash(p.commit), err)
		}
	}
	return repository, nil
}

func cacheDir() (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("finding the cache: %w", err)
	}
	return filepath.Join(cache, "gitlatch"), nil
}

// whyIndex keeps answers; nil where there is no place for them.
func whyIndex() *history.Index {
	cache, err := cacheDir()
	if err != nil {
		return nil
	}
	return &history.Index{Dir: filepath.Join(cache, "why"), Version: buildVersion().String()}
}

// helm renders for the Kubernetes version that the applier renders for.
func (w *why) helm(p *place) error {
	if p.options.Helm.KubeVersion != "" {
		return nil
	}
	discovery, err := w.server.flags.ToDiscoveryClient()
	if err != nil {
		return err
	}
	version, err := discovery.ServerVersion()
	if err != nil {
		return fmt.Errorf("asking for the API server's version: %w", err)
	}
	p.options.Helm.KubeVersion = version.GitVersion
	return nil
}

// trust are the roots that the sync names; nil when it names none, or they may not be
// read.
func (w *why) trust(ctx context.Context, sync *v1alpha1.GitSync) (*git.Trust, error) {
	if sync.Spec.Verify == nil {
		return nil, nil
	}
	config, err := w.server.config()
	if err != nil {
		return nil, err
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, badInput(fmt.Errorf("preparing a client: %w", err))
	}
	name := sync.Spec.Verify.AllowedSigners.Name
	found, err := client.CoreV1().ConfigMaps(sync.Namespace).Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsForbidden(err) || apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the trust roots: %w", err)
	}
	return trustOf(found.Data, found.BinaryData), nil
}

func trustOf(text map[string]string, binary map[string][]byte) *git.Trust {
	t := &git.Trust{AllowedSigners: map[string][]byte{}, Keyrings: map[string][]byte{}}
	add := func(key string, content []byte) {
		if strings.HasSuffix(key, ".asc") || strings.HasSuffix(key, ".gpg") {
			t.Keyrings[key] = content
			return
		}
		t.AllowedSigners[key] = content
	}
	for key, content := range text {
		add(key, []byte(content))
	}
	for key, content := range binary {
		add(key, content)
	}
	return t
}

// errNoClone is what is missing where no sync of ours tells.
var errNoClone = errors.New("give --repo DIR, a clone of its repository, and --path FOLDER")
