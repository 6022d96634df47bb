// Package figures is what the commands that measure have in common: values with units ([Value]), percentiles, the memory
// of a process, and the metrics that one shows.
//
// It may import the standard library and Prometheus' own parser of what a process shows, and nothing of Gitlatch.
package figures
