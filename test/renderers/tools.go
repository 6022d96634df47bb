//go:build tools

// Package renderers names the commands kustomize and helm, so that go.mod pins them: what applier/desired renders is
// compared with what they print. Nothing imports it: that package's tests build the commands by their paths.
package renderers

import (
	_ "helm.sh/helm/v4/cmd/helm"
	_ "sigs.k8s.io/kustomize/kustomize/v5"
)
