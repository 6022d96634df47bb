package heartbeat

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/policy"
	"github.com/gitlatch/gitlatch/reporter/record"
)

// demand is what one policy demanded when the gate was last seen as expected.
type demand struct {
	Mode v1alpha1.Mode `json:"mode"`
	// Hash of all the rest of what it says.
	Hash string `json:"hash"`
	// Managers are the field managers of its sync identities.
	Managers []string `json:"managers,omitempty"`
}

// demands remembers what the policies demanded, by name. While the gate judges, whoever
// changes a policy is judged or recorded; when it does not, nobody is asked, and what is
// expected from then on would be whatever they left.
type demands map[string]demand

func demandsOf(policies []*policy.Policy) demands {
	out := demands{}
	for _, p := range policies {
		spec := p.Spec
		spec.Mode = ""
		if standard := map[bool]v1alpha1.FailureRule{true: v1alpha1.FailureDeny, false: v1alpha1.FailureAdmit}; spec.OnRecordFailure == standard[p.Spec.Mode == v1alpha1.ModeEnforce] {
			spec.OnRecordFailure = "" // it follows the mode
		}
		raw, _ := json.Marshal(spec) // strings, numbers and lists of them: it can't fail
		sum := sha256.Sum256(raw)
		d := demand{Mode: p.Spec.Mode, Hash: hex.EncodeToString(sum[:8])}
		for _, s := range p.Spec.Sync {
			d.Managers = append(d.Managers, s.FieldManagers...)
		}
		out[p.Name] = d
	}
	return out
}

func strictness(m v1alpha1.Mode) int {
	return slices.Index([]v1alpha1.Mode{v1alpha1.ModeAudit, v1alpha1.ModeWarn, v1alpha1.ModeEnforce}, m)
}

// state that they demand together.
func (d demands) state() v1alpha1.GateState {
	state := v1alpha1.GateState("")
	for _, one := range d {
		if one.Mode == v1alpha1.ModeEnforce {
			return v1alpha1.GateEnforcing
		}
		state = v1alpha1.GateAuditing
	}
	return state
}

// weakened says in what each policy is not what it was. A stricter mode is no loss; any
// other change may be, as one more who may write is.
func (d demands) weakened(policies []*policy.Policy) map[string]string {
	now, out := demandsOf(policies), map[string]string{}
	for name, was := range d {
		is, there := now[name]
		switch {
		case !there:
			out[name] = "is gone, or not valid any more"
		case strictness(is.Mode) < strictness(was.Mode):
			out[name] = fmt.Sprintf("went from %s to %s", was.Mode, is.Mode)
		case is.Hash != was.Hash:
			out[name] = "was changed"
		}
	}
	return out
}

// after is what to remember once some are excused: of those, what they say now.
func (d demands) after(excused []string, policies []*policy.Policy) demands {
	if len(excused) == 0 {
		return d
	}
	next, now := maps.Clone(d), demandsOf(policies)
	for _, name := range excused {
		if is, there := now[name]; there {
			next[name] = is
		} else {
			delete(next, name)
		}
	}
	return next
}

// demanded adds to a look what was taken from the policies while nobody was asked. It
// returns what the policies demand by right: after a beat that finds the gate as it
// should be, what they say.
func (h *Heart) demanded(ctx context.Context, l *look, expected *Expected) error {
	weak := h.demands.weakened(expected.Policies)
	judged := h.judged(l)
	var excused []string
	if len(weak) > 0 && !judged {
		witness, err := h.witness(ctx)
		if err != nil {
			return err
		}
		for _, name := range slices.Sorted(maps.Keys(weak)) {
			fine, manager, err := witness.excuses(ctx, name)
			if err != nil {
				return err
			}
			if fine {
				excused = append(excused, name)
				continue
			}
			l.faults = append(l.faults, Fault{Cause: CausePolicyWeakened, Policy: name, Manager: manager,
				Detail: fmt.Sprintf("ChangePolicy %s %s when nobody was asked, and no sync and no record accounts for that", name, weak[name])})
		}
	}
	h.demands = h.demands.after(excused, expected.Policies)
	if len(weak) > len(excused) && !judged {
		if was := h.demands.state(); was == v1alpha1.GateEnforcing || l.expected == "" {
			l.expected = was
		}
		return nil
	}
	if judged || len(l.faults) == 0 && l.unsure == nil {
		h.demands = demandsOf(expected.Policies)
	}
	if len(l.faults) == 0 && l.unsure == nil {
		h.lastGood = expected.Policies
	}
	return nil
}

// judged: the gate was asked about whatever was done to the policies since the last beat.
// A namespace that is hidden is out of its sight, and a policy is not.
func (h *Heart) judged(l *look) bool {
	elsewhere := func(f Fault) bool { return f.Cause != CauseNamespaceHidden }
	open := h.watchman.open
	return !slices.ContainsFunc(l.faults, elsewhere) && l.unsure == nil &&
		(open == nil || open.cause() == CauseNamespaceHidden) && !h.watchman.missed(l.at)
}

// witness is who may account for a change of a policy.
type witness struct {
	reader client.Reader
	since  time.Time
	// syncs are the field managers of those who carried git's changes then: what a policy
	// says now may be the work of whom it names.
	syncs []string
	// seen says that a second person has looked at the gap that is open for it.
	seen     bool
	policies []metav1.PartialObjectMetadata
}

func (h *Heart) witness(ctx context.Context) (*witness, error) {
	w := &witness{reader: h.Client, since: h.watchman.good.Truncate(time.Second)} // as the API server dates what is written
	for _, d := range h.demands {
		w.syncs = append(w.syncs, d.Managers...)
	}
	list := &metav1.PartialObjectMetadataList{}
	list.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind("ChangePolicyList"))
	if err := h.Client.List(ctx, list); err != nil {
		return nil, fmt.Errorf("listing who wrote ChangePolicies: %w", err)
	}
	w.policies = list.Items
	if g := h.watchman.open; g != nil && g.created && g.cause() == CausePolicyWeakened {
		rec := &v1alpha1.ChangeRecord{}
		if err := h.Client.Get(ctx, client.ObjectKeyFromObject(g.record), rec); client.IgnoreNotFound(err) != nil {
			return nil, fmt.Errorf("reading the record %s of a gap: %w", g.record.Name, err)
		}
		w.seen = record.Reviewed(rec)
	}
	return w, nil
}

// excuses says whether somebody accounts for a change of the policy, and who wrote last.
func (w *witness) excuses(ctx context.Context, name string) (fine bool, manager string, err error) {
	if w.seen {
		return true, "", nil
	}
	for i := range w.policies {
		if p := &w.policies[i]; p.Name == name {
			if fine, manager = w.bySync(p); fine {
				return true, "", nil
			}
		}
	}
	for _, outcome := range []v1alpha1.Outcome{v1alpha1.OutcomeFlagged, v1alpha1.OutcomeBreakGlass} {
		found, err := record.List(ctx, w.reader, record.Filter{Outcome: outcome, Kind: "ChangePolicy", Since: w.since})
		if err != nil {
			return false, "", err
		}
		if slices.ContainsFunc(found, func(rec v1alpha1.ChangeRecord) bool { return accountsFor(&rec, name) }) {
			return true, "", nil
		}
	}
	return false, manager, nil
}

// bySync: since then a sync has written it, and nobody else has.
func (w *witness) bySync(p *metav1.PartialObjectMetadata) (fine bool, manager string) {
	for _, e := range p.ManagedFields {
		if e.Subresource != "" || e.Time == nil || e.Time.Time.Before(w.since) {
			continue
		}
		if !slices.Contains(w.syncs, e.Manager) {
			return false, e.Manager
		}
		fine = true
	}
	return fine, ""
}

// accountsFor: the record is of a change of what the policy says, of its deletion, or
// does not show all that changed.
func accountsFor(rec *v1alpha1.ChangeRecord, name string) bool {
	r := &rec.Spec.Request
	if r.Group != v1alpha1.Group || r.Kind != "ChangePolicy" || r.Name != name || r.Subresource != "" {
		return false
	}
	return r.Operation == "DELETE" || rec.Spec.ChangesOmitted > 0 || slices.ContainsFunc(rec.Spec.Changes, func(c v1alpha1.Change) bool {
		return strings.HasPrefix(c.Path, ".spec")
	})
}
