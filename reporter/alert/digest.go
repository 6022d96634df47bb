package alert

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

// digest is what is said of many records that came faster than a receiver may be told
// of each.
type digest struct {
	id      string
	cluster string
	items   []item // the urgent first, then the oldest
	now     time.Time
}

// mostDigested keeps a digest under the 64 KiB that CloudEvents' consumers take.
const (
	mostDigested = 500
	mostExamples = 10
)

func newDigest(cluster string, items []item, now time.Time) digest {
	names := make([]string, 0, len(items))
	for _, i := range items {
		names = append(names, i.key())
	}
	slices.Sort(names)
	sum := sha256.Sum256([]byte(strings.Join(names, "\n")))
	return digest{id: "digest-" + hex.EncodeToString(sum[:16]), cluster: oneLine(cluster, 100), items: items, now: now}
}

func (d *digest) since() time.Time {
	oldest := d.items[0].at
	for _, i := range d.items {
		if i.at.Before(oldest) {
			oldest = i.at
		}
	}
	return oldest
}

// counts says how many there are of each outcome.
func (d *digest) counts() map[v1alpha1.Outcome]int {
	counts := map[v1alpha1.Outcome]int{}
	for _, i := range d.items {
		counts[i.outcome]++
	}
	return counts
}

func (d *digest) title() string {
	var parts []string
	counts := d.counts()
	for _, outcome := range append([]v1alpha1.Outcome{v1alpha1.OutcomeTampered, v1alpha1.OutcomeBypass, v1alpha1.OutcomeBreakGlass,
		v1alpha1.OutcomeFlagged, v1alpha1.OutcomeDenied}, v1alpha1.OutcomeDrift) {
		if counts[outcome] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", counts[outcome], outcome))
		}
	}
	where := ""
	if d.cluster != "" {
		where = " in cluster " + d.cluster
	}
	return fmt.Sprintf("%d more records%s since %s: %s", len(d.items), where, stamp(d.since()), strings.Join(parts, ", "))
}

// examples are the first few.
func (d *digest) examples() []string {
	var lines []string
	for _, i := range d.items[:min(len(d.items), mostExamples)] {
		lines = append(lines, fmt.Sprintf("%s %s %s %s", i.name, i.outcome, i.user, i.target))
	}
	if more := len(d.items) - len(lines); more > 0 {
		lines = append(lines, fmt.Sprintf("and %d more", more))
	}
	return lines
}

// review is the command that lists them all; it takes an age.
func (d *digest) review() string {
	minutes := int(d.now.Sub(d.since()).Minutes()) + 2 // it takes a while until somebody reads it
	return fmt.Sprintf("kubectl gitlatch records list --since %dm", minutes)
}
