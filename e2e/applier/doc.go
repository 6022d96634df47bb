// Package applier holds the promises of the applier, each a file: real commits in a
// real repository, carried by the real program to a real API server behind the real
// gate.
package applier
