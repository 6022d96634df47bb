// Package desired turns a folder of a commit into the objects that it declares:
// plain YAML, Kustomize or Helm, decrypted, checked, and in the order in which they
// can be applied. Its input is an [io/fs.FS] and its output values: no network, no
// plugins, no exec, no cluster.
//
// It is the only room that knows kustomize, helm and sops. Of Gitlatch it may import
// the API types.
package desired
