package alert

import "github.com/gitlatch/gitlatch/api/v1alpha1"

// Names of the alerts that direct delivery raises, one for each outcome. They are their
// own, not those of the Prometheus rules: these fire for one record, those for a rate or
// a state, and one silence must not mute both.
const (
	alertDenied     = "GitlatchRecordDenied"
	alertFlagged    = "GitlatchRecordFlagged"
	alertBreakGlass = "GitlatchRecordBreakGlass"
	alertDrift      = "GitlatchRecordDrift"
	alertBypass     = "GitlatchRecordBypass"
	alertTampered   = "GitlatchRecordTampered"
	alertGap        = "GitlatchRecordGap"
)

func alertName(rec *v1alpha1.ChangeRecord) string {
	if rec.Spec.Gap != nil {
		return alertGap
	}
	switch rec.Spec.Outcome {
	case v1alpha1.OutcomeDenied:
		return alertDenied
	case v1alpha1.OutcomeFlagged:
		return alertFlagged
	case v1alpha1.OutcomeBreakGlass:
		return alertBreakGlass
	case v1alpha1.OutcomeDrift:
		return alertDrift
	case v1alpha1.OutcomeBypass:
		return alertBypass
	}
	return alertTampered
}

// severity is in the words of most Alertmanager configurations.
func severity(outcome v1alpha1.Outcome) string {
	switch outcome {
	case v1alpha1.OutcomeDenied, v1alpha1.OutcomeDrift:
		return "info"
	case v1alpha1.OutcomeFlagged, v1alpha1.OutcomeBreakGlass:
		return "warning"
	}
	return "critical"
}

// urgent records are told first, and before others where not all can be remembered.
func urgent(outcome v1alpha1.Outcome) bool { return severity(outcome) != "info" }
