// Package review looks after the life of a record from the verdict on: it ends what a
// reviewer accepted, closes what is done with, and shows what still waits.
//
//   - [Loop] follows all records and writes what is due, one status at a time.
//   - [Metrics] show what waits by age, what is overdue, and what verdicts were given.
//   - [Overdue] says how long a record may wait; the plugin asks it too.
//
// Nobody's verdict is written here: the gate signs it. What no git declares is accepted
// by an approval, since nothing else will ever say how it ended; what git declares is
// the applier's to resolve. A record whose break-glass window or whose gap is open stays
// open, whatever the verdict, and one that was rejected until it is undone.
//
// The package may import the API types, reporter/record, controller-runtime's client and
// Prometheus' client.
package review
