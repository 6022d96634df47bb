// Package staticmanifests runs an API server with the files of `kubectl gitlatch static-manifests`: what admission is
// never asked about is guarded from a cold start on, Gitlatch keeps its own registration, and the off switch works for
// whoever may use it. Such files need Kubernetes 1.37, so the package runs on the newest minor only.
//
// It has no code but tests, and these import test/ and api/ and no other package of ours.
package staticmanifests
