package cluster

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// VersionVariable names the environment variable that says which Kubernetes minor [Binaries] returns, "1.35". Unset or
// empty, it is the one of test/controlplane.
const VersionVariable = "GITLATCH_TEST_KUBERNETES"

// moduleOf finds the nested module that has a Kubernetes minor, "1.35", among test/controlplane and the modules below
// it. An empty minor is test/controlplane's own.
func moduleOf(source, minor string) (string, error) {
	newest := filepath.Join(source, "test", "controlplane")
	if minor == "" {
		return newest, nil
	}
	older, err := filepath.Glob(filepath.Join(newest, "*", "go.mod"))
	if err != nil {
		return "", err
	}
	var known []string
	for _, file := range append([]string{filepath.Join(newest, "go.mod")}, older...) {
		version, err := versionOf(file)
		if err != nil {
			return "", err
		}
		major, minorNumber := majorMinor(version)
		has := major + "." + minorNumber
		if has == minor {
			return filepath.Dir(file), nil
		}
		known = append(known, has)
	}
	return "", fmt.Errorf("reading %s: there is no Kubernetes %q here, but %s", VersionVariable, minor, strings.Join(known, ", "))
}

// versionOf reads from a module's go.mod which k8s.io/kubernetes it requires.
func versionOf(file string) (string, error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("reading the control plane's module: %w", err)
	}
	match := kubernetesVersion.FindSubmatch(content)
	if match == nil {
		return "", fmt.Errorf("reading the control plane's module: %s requires no k8s.io/kubernetes", filepath.Dir(file))
	}
	return string(match[1]), nil
}
