// Package house holds no code but tests: the laws of the house, asserted by reading what `go list` says of the packages
// and what the parser says of the source. A law that nobody checks is a wish.
package house
