// Package backstop asserts what holds while every webhook process is dead: the
// ValidatingAdmissionPolicy behind them refuses what is out of band by identity, lets
// through whoever must work, and the API server's audit log says what it did.
//
// The package may import test/world, test/cluster, test/gitlatch, reporter/audit and api.
package backstop
