// Package archive keeps what became of ChangeRecords after they were deleted: one
// line of JSON for each, chained by hashes, so that a line that was edited, removed,
// moved or put in shows.
//
//   - [File] keeps the lines in a file, [Stream] writes them where a log collector
//     takes them up, and reporter/archive/postgres keeps them in a database. Each is
//     a chain of its own.
//   - [Heads] keeps the end of each chain in the cluster, since a chain can't tell
//     that its end was cut off.
//   - [Verifier] checks a chain, in one pass and constant memory.
//
// # The line
//
//	{"gitlatch":"archive/v1","seq":7,"prev":"…","archivedAt":"…","record":{…},"hash":"…"}
//
// record is the whole ChangeRecord as it was stored, redacted. hash is SHA-256, in
// hexadecimal, of the very bytes of the line before `,"hash":"`; prev is the hash of
// the line before. Nothing has to be brought into a canonical form, and
// `sed 's/,"hash":"[^"]*"}$//' | tr -d '\n' | sha256sum` checks a single line.
//
// A line with start instead of record begins a stretch: the very first one, with seq
// 1 and a prev of zeros, and one wherever the writer can't see the line that it goes
// on from, such as standard output after a restart, a new file after the old one was
// moved away, or an end that is not where it was left. Its seq and prev go on from
// the last line that the cluster knows of, so a stretch that is missing shows: also the
// first, unless whoever verifies says that it was moved away ([Verifier.From]).
//
// A record may stand in several lines: it is archived again when it changed before it
// was deleted, or when the program ended in between. The uid tells them for one, the
// resourceVersion their order.
//
// The package may import the API types, apimachinery and controller-runtime's client,
// and nothing else of Gitlatch.
package archive
