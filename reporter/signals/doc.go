// Package signals tells how far git is the only path to change the cluster: five
// signals, each with its number, its evidence and a verdict, and beside them the gate,
// the syncs, the open windows and what waits for review.
//
// [Collect] reads API objects and nothing else: records are counted page by page and
// none is kept, objects are asked for their metadata alone. What the reader may not list
// is Unknown, and the right that is missing is named; that is no error. docs/signals.md
// says what each number is and where the verdicts change; thresholds.go has the same.
//
// The package may import reporter/access, reporter/record, reporter/review, policy, api,
// apimachinery and controller-runtime's client.
package signals
