package cluster

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"

	"github.com/gitlatch/gitlatch/test/process"
)

// Assets are the paths of a control plane's programs.
type Assets struct {
	Etcd, APIServer, ControllerManager, Kubectl string

	// Version is the Kubernetes version, "v1.37.2"; empty when the programs came from KUBEBUILDER_ASSETS.
	Version string
}

// The programs' file names, as Kubernetes releases and KUBEBUILDER_ASSETS name them.
const (
	etcdName              = "etcd"
	apiServerName         = "kube-apiserver"
	controllerManagerName = "kube-controller-manager"
	kubectlName           = "kubectl"
)

// Binaries returns the control plane's programs, building them from the nested module test/controlplane when neither
// KUBEBUILDER_ASSETS nor the user's cache directory holds them. [VersionVariable] chooses another Kubernetes minor, and
// then KUBEBUILDER_ASSETS, whose version nobody knows, is not looked at. Progress of a build, which takes minutes, goes
// to progress, a line every ten seconds; nil discards it.
func Binaries(ctx context.Context, progress io.Writer) (Assets, error) {
	minor := os.Getenv(VersionVariable)
	if dir := os.Getenv("KUBEBUILDER_ASSETS"); dir != "" && minor == "" {
		if assets := assetsIn(dir, ""); assets.complete() {
			return assets, nil
		}
	}
	source, err := sourceDir(ctx)
	if err != nil {
		return Assets{}, err
	}
	module, err := moduleOf(source, minor)
	if err != nil {
		return Assets{}, err
	}
	return BinariesOf(ctx, module, progress)
}

// BinariesOf is Binaries for the nested module in dir, whose go.mod names the Kubernetes version. It does not look at
// KUBEBUILDER_ASSETS: who names a module wants that version.
func BinariesOf(ctx context.Context, dir string, progress io.Writer) (Assets, error) {
	if progress == nil {
		progress = io.Discard
	}
	version, sum, err := identify(dir)
	if err != nil {
		return Assets{}, err
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return Assets{}, fmt.Errorf("finding the user's cache directory: %w", err)
	}
	target := filepath.Join(cache, "gitlatch", "controlplane", version+"-"+sum)
	assets := assetsIn(target, version)
	if assets.complete() {
		return assets, nil
	}
	b := builder{module: dir, target: target, version: version, progress: progress}
	if err := b.build(ctx); err != nil {
		return Assets{}, fmt.Errorf("building the control plane %s: %w", version, err)
	}
	return assets, nil
}

func assetsIn(dir, version string) Assets {
	return Assets{
		Etcd:              filepath.Join(dir, etcdName),
		APIServer:         filepath.Join(dir, apiServerName),
		ControllerManager: filepath.Join(dir, controllerManagerName),
		Kubectl:           filepath.Join(dir, kubectlName),
		Version:           version,
	}
}

func (a Assets) complete() bool {
	for _, path := range []string{a.Etcd, a.APIServer, a.ControllerManager, a.Kubectl} {
		if !executable(path) {
			return false
		}
	}
	return true
}

func executable(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
}

var kubernetesVersion = regexp.MustCompile(`(?m)^\s*(?:require )?k8s\.io/kubernetes (v\S+)`)

// identify returns the Kubernetes version that the module in dir requires, and a sum over all that decides what is
// built: the module's versions, our build flags, and the machine (a home directory may be shared).
func identify(dir string) (version, sum string, err error) {
	if version, err = versionOf(filepath.Join(dir, "go.mod")); err != nil {
		return "", "", err
	}
	hash := sha256.New()
	for _, name := range []string{"go.mod", "go.sum"} {
		content, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return "", "", fmt.Errorf("reading the control plane's module: %w", err)
		}
		fmt.Fprintf(hash, "%s %d\n%s", name, len(content), content)
	}
	fmt.Fprintln(hash, runtime.GOOS, runtime.GOARCH, buildArgs(version))
	return version, hex.EncodeToString(hash.Sum(nil))[:12], nil
}

// sourceDir finds the root of Gitlatch's module: beside this file where it was compiled, or, when the compiler trimmed
// that path, by asking the go command about the module of the working directory.
func sourceDir(ctx context.Context) (string, error) {
	if _, file, _, ok := runtime.Caller(0); ok && filepath.IsAbs(file) {
		root := filepath.Dir(filepath.Dir(filepath.Dir(file)))
		if _, err := os.Stat(filepath.Join(root, "test", "controlplane", "go.mod")); err == nil {
			return root, nil
		}
	}
	const module = "github.com/gitlatch/gitlatch"
	var stderr strings.Builder
	cmd := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", module)
	cmd.Env, cmd.Stderr = buildEnv(os.Environ()), &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("finding the source of %s: %w\n%s", module, err, process.LastLines(stderr.String(), 5))
	}
	return strings.TrimSpace(string(out)), nil
}
