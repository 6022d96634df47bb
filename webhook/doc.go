// Package webhook is the gate: it turns an AdmissionReview into a question for
// package policy, and the decision into an answer, with the record written
// first.
//
// Begin at handler.go: the steps of one request stand there in order. Whatever
// goes wrong with a request, the answer is HTTP 200 and a well-formed review
// with its uid, since the API server lets a write pass on anything else where
// the failure policy is Ignore; undecided.go says when that answer is a denial.
//
// It may import policy, reporter/record and the API types. It links none of the
// heavy libraries of the other rooms.
package webhook
