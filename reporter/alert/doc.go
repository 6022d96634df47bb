// Package alert tells people of records, for clusters in which no Prometheus does:
//
//   - [Loop] delivers to receivers, which speak Alertmanager's API, the shape of Slack's
//     incoming webhooks, or CloudEvents. At least once: what a receiver took is written
//     into status.notified after it took it, so that a process that dies, or a receiver
//     that is down, delays a notification and loses none.
//   - [Events] says the same as a Kubernetes Event on the target: a courtesy, once.
//
// [ReadConfig] reads the file of receivers. Each has a courier of its own, so that one
// that hangs holds up none of the others; due.go says what it is told, courier.go when,
// describe.go in which words. What is secret (addresses, tokens, headers) is read from
// files for each delivery, and stands in no error and no log line.
//
// The package may import the API types, reporter/record, apimachinery, client-go's and
// controller-runtime's clients.
package alert
