// Package monitoring holds the promise that what is watched is there: every metric that an alert rule, a panel of the
// dashboard or the reference page names is shown by a running command, under that name and with those labels.
package monitoring
