// Package process keeps programs that tests, the demo and `make up` start: etcd and the API server, the webhook and the
// applier. Each is known by the pid that we started, never by its name, writes to a log, and leaves a pid file, by which
// a later run can stop what an earlier one left.
//
// It may import the standard library, and nothing of Gitlatch.
package process
