// Package v1alpha1 is the vocabulary of Gitlatch: the kinds of the API group
// gitlatch.dev, the label and annotation keys that its parts exchange, and the
// reasons that a person, an alert or a test can rely on. It imports
// apimachinery and nothing else, so that every room may speak it.
//
// +kubebuilder:object:generate=true
// +groupName=gitlatch.dev
package v1alpha1
