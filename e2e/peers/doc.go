// Package peers holds the promises that only other people's programs can witness: that an alert reaches a real
// Alertmanager by way of a real Prometheus, and directly. Its tests have the build tag peers, since they need those
// programs: `make test-peers` says which are missing, and runs them.
package peers
