// Package tally counts the records that are kept, for alerts and dashboards: by outcome
// and phase, those of the last minutes, and the requesters that were never seen before.
//
// Counters can't tell the first of anything: a series that begins at one has not grown.
// These are gauges, computed from the records each time that they are asked for, so that a
// restart of the reporter, or a Prometheus that was away, loses no denial. No user and no
// object is a label; of a requester nothing is kept but a hash.
//
// The package may import the API types, reporter/record, controller-runtime's client and
// Prometheus' client.
package tally
