// Package live is the cluster as the applier sees it: server-side apply, takeover of
// fields that people own, recreation, deletion under preconditions, comparison,
// health, and a metadata watch per kind. It holds no state of a sync; the applier and
// the plugin's diff both use it.
//
// It may import client-go, kstatus, the judge's Diff, applier/desired and the API
// types.
package live
