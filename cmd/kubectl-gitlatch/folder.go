package main

import (
	"cmp"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/pflag"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/applier/desired"
	"github.com/gitlatch/gitlatch/applier/live"
)

// folder is one folder of a repository, and how it is rendered and applied.
type folder struct {
	name    string // for people: its path, or the sync that names it
	options desired.Options
	prepare live.Preparation
}

// renderFlags say how folders are rendered.
type renderFlags struct {
	ageKeys, pgpKeys []string
	helmValues       []string
	releaseName      string
	kubeVersion      string
}

func (r *renderFlags) add(f *pflag.FlagSet) {
	r.addKeys(f)
	f.StringArrayVar(&r.helmValues, "helm-values", nil,
		`values file of a chart, below the repository's root or, beginning with "./", below the chart; may be repeated, later ones win`)
	f.StringVar(&r.releaseName, "release-name", "", "the release that a chart is rendered as; left out: release-name, as helm template does")
	f.StringVar(&r.kubeVersion, "kube-version", "", "the Kubernetes version to render for, such as v1.37.2; left out: the cluster's, without one the newest that is known here")
}

func (r *renderFlags) addKeys(f *pflag.FlagSet) {
	f.StringArrayVar(&r.ageKeys, "age-key-file", nil, "age identities or an SSH private key, to decrypt SOPS files; may be repeated")
	f.StringArrayVar(&r.pgpKeys, "pgp-key-file", nil, "an armored OpenPGP private key, to decrypt SOPS files; may be repeated")
}

// keys reads the key files. Without any, encrypted values stay as they are.
func (r *renderFlags) keys() (keys desired.Keys, closed bool, err error) {
	read := func(files []string) (all [][]byte) {
		for _, file := range files {
			content, problem := os.ReadFile(file)
			err = errors.Join(err, problem)
			all = append(all, content)
		}
		return all
	}
	keys = desired.Keys{Age: read(r.ageKeys), PGP: read(r.pgpKeys)}
	if err != nil {
		return desired.Keys{}, false, badInput(fmt.Errorf("reading keys: %w", err))
	}
	return keys, len(keys.Age)+len(keys.PGP) == 0, nil
}

// ofPath is a folder that no sync names.
func (r *renderFlags) ofPath(path, namespace string, keys desired.Keys, closed bool) folder {
	return folder{
		name: path,
		options: desired.Options{Path: path, Keys: keys, Encrypted: closed, Helm: desired.Helm{
			ReleaseName: r.releaseName, Namespace: namespace, ValuesFiles: r.helmValues, KubeVersion: r.kubeVersion,
		}},
		prepare: live.Preparation{Namespace: namespace},
	}
}

// ofSync is the folder that a sync names, as the applier renders it. What a flag says
// about the version holds where the sync says nothing.
func (r *renderFlags) ofSync(sync *v1alpha1.GitSync, keys desired.Keys, closed bool) folder {
	helm := sync.Spec.Helm
	if helm == nil {
		helm = &v1alpha1.HelmOptions{}
	}
	return folder{
		name: "GitSync " + sync.Namespace + "/" + sync.Name,
		options: desired.Options{Path: sync.Spec.Path, Keys: keys, Encrypted: closed, Helm: desired.Helm{
			ReleaseName: cmp.Or(helm.ReleaseName, sync.Name), Namespace: cmp.Or(helm.Namespace, sync.Namespace),
			ValuesFiles: helm.ValuesFiles, KubeVersion: cmp.Or(helm.KubeVersion, r.kubeVersion),
		}},
		prepare: live.Preparation{
			Mark: v1alpha1.SyncLabel(sync.Namespace, sync.Name), Namespace: sync.Namespace, Ignore: sync.Spec.Ignore,
		},
	}
}
