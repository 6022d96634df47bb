// Package postgres keeps the archive of records in a PostgreSQL database, in the
// tables gitlatch_archive and gitlatch_archive_head. They are made if they are
// missing; where they are there, INSERT and SELECT on the first, and SELECT, INSERT
// and UPDATE on the second are all that is needed, so that the reporter's own account
// can't change what is written.
//
// It is the one room that knows the driver, and may import it and reporter/archive,
// and nothing else of Gitlatch but the API types.
package postgres
