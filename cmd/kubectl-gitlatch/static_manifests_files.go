package main

import (
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"text/template"

	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"
)

// manifestFile is one file to write; its name is a slash-separated path below the
// directory.
type manifestFile struct {
	name, what string
	content    []byte
}

// The files. The API server reads every .yaml, .yml and .json of the directory of
// policies and refuses to start over anything else in them, so nothing else is put there.
const (
	readmeFile        = "README.md"
	configurationFile = "admission-configuration.yaml"
	policiesDir       = "policies"
	policyFile        = policiesDir + "/gitlatch.yaml"
)

//go:embed static_manifests.md.tmpl
var staticReadme string

// flags of every API server.
func (g *staticGuard) flags() []string {
	return []string{"--admission-control-config-file=" + g.path + "/" + configurationFile}
}

// plugin are the lines of an AdmissionConfiguration that name our policies.
// Source: k8s.io/apiserver/pkg/admission/plugin/policy/config.
func (g *staticGuard) plugin() string {
	return `- name: ValidatingAdmissionPolicy
  configuration:
    apiVersion: apiserver.config.k8s.io/v1
    kind: ValidatingAdmissionPolicyConfiguration
    staticManifestsDir: ` + fmt.Sprintf("%q", g.path+"/"+policiesDir) + "\n"
}

// files are what to write, the README first.
func (g *staticGuard) files() ([]manifestFile, error) {
	var policies []string
	for _, o := range []runtime.Object{g.policy(), g.binding()} {
		text, err := yaml.Marshal(o)
		if err != nil {
			return nil, fmt.Errorf("encoding the policy: %w", err)
		}
		policies = append(policies, withoutStatus(string(text)))
	}
	var readme strings.Builder
	page, err := template.New(readmeFile).Parse(staticReadme)
	if err != nil {
		return nil, fmt.Errorf("reading the README's template: %w", err)
	}
	err = page.Execute(&readme, map[string]any{
		"Path": g.path, "Flags": g.flags(), "PluginLines": strings.Split(strings.TrimSpace(g.plugin()), "\n"), "Groups": g.groups,
		"Policy": policyFile,
	})
	if err != nil {
		return nil, fmt.Errorf("writing the README: %w", err)
	}
	head := "# Written by kubectl gitlatch static-manifests; see " + readmeFile + ".\n"
	return []manifestFile{
		{readmeFile, "what to do with the others", []byte(readme.String())},
		{configurationFile, "says where the policies are", []byte(head +
			"apiVersion: apiserver.config.k8s.io/v1\nkind: AdmissionConfiguration\nplugins:\n" + g.plugin())},
		{policyFile, "guards the gate's own configuration", []byte(head + strings.Join(policies, "---\n"))},
	}, nil
}

// withoutStatus takes away what a type's encoding adds, and a strict reader may refuse.
func withoutStatus(text string) string {
	return strings.ReplaceAll(text, "\nstatus: {}\n", "\n")
}

// writeFiles writes all, or says which is there already before it writes any.
func writeFiles(dir string, files []manifestFile, force bool) error {
	for _, f := range files {
		name := filepath.Join(dir, filepath.FromSlash(f.name))
		_, err := os.Lstat(name)
		switch {
		case err == nil && !force:
			return badInput(fmt.Errorf("%s is there already: pass --force to write over it", name))
		case err != nil && !errors.Is(err, fs.ErrNotExist):
			return fmt.Errorf("writing %s: %w", name, err)
		}
	}
	for _, f := range files {
		name := filepath.Join(dir, filepath.FromSlash(f.name))
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			return fmt.Errorf("writing %s: %w", name, err)
		}
		if err := os.WriteFile(name, f.content, 0o644); err != nil {
			return fmt.Errorf("writing %s: %w", name, err)
		}
	}
	return nil
}
