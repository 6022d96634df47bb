// Package reporter holds the promises about what happens after an attempt: whoever must know is told, every change out
// of band is reviewed, and every bypass is found. Each is a test on a real control plane with the gate, the applier and
// the reporter as a user installs them.
package reporter
