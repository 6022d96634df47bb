// Package retention forgets records, so that etcd, which is no archive, holds no more
// of them than it should: by age and by number, and never before a record is archived.
//
//   - [Loop] goes through all records, page by page, archives those whose time is
//     over, and deletes them on condition that nobody changed them meanwhile.
//   - [Why] says which records no rule deletes: what waits for a review that must
//     be, what guards something, and what is not over yet.
//   - It also closes denials that nobody reviewed.
//
// docs/decisions/0025 says what was weighed. An archive that takes nothing stops all
// deletion, and nothing else: it is tried again, and metrics tell.
//
// The package may import reporter/archive, reporter/record, the API types,
// controller-runtime's client and Prometheus' client.
package retention
