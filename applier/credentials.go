package applier

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/applier/desired"
	"github.com/gitlatch/gitlatch/applier/git"
)

// Keys of the Secrets and the ConfigMap that a GitSync names, as its reference page
// says.
const (
	keyUsername    = "username"
	keyPassword    = "password"
	keyBearerToken = "bearerToken"
	keyIdentity    = "identity"
	keyKnownHosts  = "known_hosts"
	keyCA          = "ca.crt"
	keyCert        = "tls.crt"
	keyKey         = "tls.key"
	keyToken       = "token"
)

// credentials are those of the remote.
func (r *run) credentials(ctx context.Context) (git.Credentials, error) {
	r.references.keep(r.key, referencesOf(r.sync))
	ref := r.sync.Spec.SecretRef
	if ref == nil {
		return git.Credentials{}, nil
	}
	data, err := r.read(ctx, "spec.secretRef", true, ref.Name)
	if err != nil {
		return git.Credentials{}, err
	}
	c := git.Credentials{
		Username: valueOf(data, keyUsername), BearerToken: valueOf(data, keyBearerToken),
		CA: data[keyCA], ClientCert: data[keyCert], ClientKey: data[keyKey],
		Identity: data[keyIdentity], KnownHosts: data[keyKnownHosts],
	}
	if len(c.Identity) > 0 {
		c.IdentityPassword = data[keyPassword]
	} else {
		c.Password = valueOf(data, keyPassword)
	}
	return c, nil
}

// trust are the roots that signatures are judged by.
func (r *run) trust(ctx context.Context, name string) (git.Trust, error) {
	data, err := r.read(ctx, "spec.verify.allowedSigners", false, name)
	if err != nil {
		return git.Trust{}, err
	}
	t := git.Trust{AllowedSigners: map[string][]byte{}, Keyrings: map[string][]byte{}}
	for key, content := range data {
		if strings.HasSuffix(key, ".asc") || strings.HasSuffix(key, ".gpg") {
			t.Keyrings[key] = content
		} else {
			t.AllowedSigners[key] = content
		}
	}
	return t, nil
}

// keys are what SOPS files are decrypted with.
func (r *run) keys(ctx context.Context, name string) (desired.Keys, error) {
	data, err := r.read(ctx, "spec.decryption.secretRef", true, name)
	if err != nil {
		return desired.Keys{}, err
	}
	var k desired.Keys
	for _, key := range slices.Sorted(maps.Keys(data)) {
		switch {
		case strings.HasSuffix(key, ".agekey"):
			k.Age = append(k.Age, data[key])
		case strings.HasSuffix(key, ".asc"):
			k.PGP = append(k.PGP, data[key])
		}
	}
	if len(k.Age)+len(k.PGP) == 0 {
		return k, stalled(v1alpha1.SyncReferenceMissing,
			fmt.Errorf("spec.decryption.secretRef: Secret %s/%s has no key that ends in .agekey or .asc", r.key.Namespace, name))
	}
	return k, nil
}

// read is the data of a reference; field is where the spec names it.
func (r *run) read(ctx context.Context, field string, secret bool, name string) (map[string][]byte, error) {
	ref := reference{secret, types.NamespacedName{Namespace: r.key.Namespace, Name: name}}
	data, err := r.references.data(ctx, r.key, ref)
	switch {
	case err == nil:
		return data, nil
	case apierrors.IsNotFound(err):
		err = errors.New("there is none")
	}
	return nil, failing(v1alpha1.SyncReferenceMissing, fmt.Errorf("%s: %s: %w", field, ref, err))
}

// referencesOf are all that a sync names.
func referencesOf(sync *v1alpha1.GitSync) []reference {
	spec := &sync.Spec
	var refs []reference
	add := func(secret bool, name string) {
		refs = append(refs, reference{secret, types.NamespacedName{Namespace: sync.Namespace, Name: name}})
	}
	if spec.SecretRef != nil {
		add(true, spec.SecretRef.Name)
	}
	if spec.Decryption != nil {
		add(true, spec.Decryption.SecretRef.Name)
	}
	if spec.Receiver != nil {
		add(true, spec.Receiver.SecretRef.Name)
	}
	if spec.Verify != nil {
		add(false, spec.Verify.AllowedSigners.Name)
	}
	return refs
}

// valueOf is a value without the newline that editors put at its end.
func valueOf(data map[string][]byte, key string) string {
	return strings.TrimRight(string(data[key]), "\r\n")
}
