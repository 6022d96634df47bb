package main

// rows are the questions that somebody comes with, the most urgent first. Gauges that every replica shows alike are
// taken once (max), what each counts alone is added up (sum).
func rows() []row {
	return []row{
		{"Is the gate shut?", gate()},
		{"Who tries to go around git?", attempts()},
		{"What waits for somebody?", reviews()},
		{"Is all of it remembered, and told?", memory()},
		{"Does the cluster match git?", syncs()},
		{"How fast does the gate answer?", webhook()},
	}
}

func stat(title, help, expr string, wide int) panel {
	return panel{title: title, help: help, stat: true, wide: wide, unit: "short", queries: []query{{expr, ""}}}
}

// alarming is a stat that is red from one on.
func alarming(title, help, expr string, wide int) panel {
	p := stat(title, help, expr, wide)
	p.red = 1
	return p
}

func graph(title, help, unit string, wide int, queries ...query) panel {
	return panel{title: title, help: help, wide: wide, unit: unit, queries: queries}
}

func gate() []panel {
	enforcing := stat("Enforcing", "What the heartbeat's canary finds at every API server.", "max(gitlatch_gate_enforcing)", 4)
	enforcing.words = []word{{"1", "yes", "green"}, {"0", "no", "red"}}
	enforcing.red, enforcing.below = 1, true
	off := alarming("Switched off", "The annotation gitlatch.dev/off is set on a webhook configuration.", "max(gitlatch_registration_standing_down)", 4)
	off.words = []word{{"0", "no", "green"}, {"1", "yes", "red"}}
	heartbeat := stat("Last heartbeat", "Time since the reporter looked.", "time() - max(gitlatch_heartbeat_timestamp_seconds)", 4)
	heartbeat.unit, heartbeat.red = "s", 60
	certificate := stat("Certificate ends in", "The serving certificate of the webhook, the one that ends first.",
		`min(gitlatch_certificate_expiry_timestamp_seconds{kind="leaf"} or gitlatch_gate_certificate_expiry_timestamp_seconds) - time()`, 4)
	certificate.unit, certificate.red, certificate.below = "s", 86400, true
	return []panel{
		enforcing,
		alarming("Open gaps", "Times in which the gate was not as it should be, and still is not.", "max(gitlatch_gap_open)", 4),
		off,
		heartbeat,
		certificate,
		alarming("Invalid policies", "Policies that can't work; the last valid generation may still be in force.",
			`max(sum without (state) (gitlatch_registration_policies{state=~"invalid|kept"}))`, 4),
		graph("State", "The state that the gate is in, and the one that the policies demand.", "short", 12,
			query{"max by (state) (gitlatch_gate_state)", "is {{state}}"}, query{"max by (state) (gitlatch_gate_expected)", "should be {{state}}"}),
		graph("Gaps and changes", "Gaps that began, and how often somebody else's change of a webhook configuration was undone.", "short", 12,
			query{"sum by (cause) (increase(gitlatch_gaps_total[$__rate_interval]))", "gap: {{cause}}"},
			query{"sum by (configuration) (increase(gitlatch_registration_rewrites_total[$__rate_interval]))", "restored: {{configuration}}"}),
		graph("Canaries", "What became of the heartbeat's questions; denied is as it should be.", "short", 24,
			query{"sum by (result) (increase(gitlatch_heartbeat_total[$__rate_interval]))", "{{result}}"},
			query{"max by (result) (gitlatch_heartbeat_api_servers)", "API servers: {{result}}"}),
	}
}

func attempts() []panel {
	const denied = `increase(gitlatch_decisions_total{action="deny",reason!="Canary"}[$__rate_interval])`
	return []panel{
		graph("Denied by policy", "Admission requests; one attempt may be several.", "short", 8, query{"sum by (policy) (" + denied + ")", "{{policy}}"}),
		graph("Denied by class", "See docs/reference and the README for the classes.", "short", 8, query{"sum by (class) (" + denied + ")", "{{class}}"}),
		graph("Denied by reason", "The first word of what the person read.", "short", 8, query{"sum by (reason) (" + denied + ")", "{{reason}}"}),
		graph("Attempts in the last ten minutes", "Records by outcome.", "short", 8, query{"max by (outcome) (gitlatch_records_recent)", "{{outcome}}"}),
		graph("Requesters that are new", "Of whom the first record is younger than an hour, by its outcome.", "short", 8,
			query{"max by (outcome) (gitlatch_requesters_new)", "{{outcome}}"}),
		graph("Flagged by operation", "Let through and recorded.", "short", 8,
			query{`sum by (operation) (increase(gitlatch_decisions_total{action="flag"}[$__rate_interval]))`, "{{operation}}"}),
		graph("Break-glass windows", "Open now; opened and refused in the interval.", "short", 24,
			query{"max(gitlatch_break_glass_windows_open)", "open"},
			query{"sum by (policy) (increase(gitlatch_break_glass_opened_total[$__rate_interval]))", "opened, {{policy}}"},
			query{"sum by (reason) (increase(gitlatch_break_glass_refused_total[$__rate_interval]))", "refused, {{reason}}"}),
	}
}

func reviews() []panel {
	return []panel{
		alarming("Overdue", "Records that wait for a review longer than they may.", "sum(max by (outcome) (gitlatch_reviews_overdue))", 4),
		stat("Bypasses to review", "Findings of the bypass review without a verdict.", `sum(gitlatch_records_waiting{outcome="Bypass"})`, 4),
		graph("Waiting", "Records that wait for a second person, by outcome and age.", "short", 8,
			query{"sum by (outcome, age) (gitlatch_records_waiting)", "{{outcome}}, {{age}}"}),
		graph("Verdicts", "Reviews given.", "short", 8, query{"sum by (verdict) (increase(gitlatch_reviews_total[$__rate_interval]))", "{{verdict}}"}),
	}
}

func memory() []panel {
	return []panel{
		graph("Records in the cluster", "By outcome. etcd is no archive.", "short", 8, query{"sum by (outcome) (gitlatch_records)", "{{outcome}}"}),
		graph("Attempts recorded", "Written, counted in another, folded, failed.", "short", 8,
			query{"sum by (result) (increase(gitlatch_records_total[$__rate_interval]))", "{{result}}"}),
		graph("Not written yet, and never", "Pending are tried again; dropped are in the log alone.", "short", 8,
			query{"sum(gitlatch_records_pending)", "pending"},
			query{"sum(increase(gitlatch_records_dropped_total[$__rate_interval]))", "dropped"}),
		graph("Kept beyond their time", "Records that no rule deletes, by why, and those above the largest number.", "short", 8,
			query{"max by (why) (gitlatch_records_kept)", "{{why}}"}, query{"max(gitlatch_records_over_limit)", "over the limit"}),
		graph("Archive", "Records that were archived, and deleted after that.", "short", 8,
			query{"sum(increase(gitlatch_records_archived_total[$__rate_interval]))", "archived"},
			query{"sum by (reason) (increase(gitlatch_records_deleted_total[$__rate_interval]))", "deleted, {{reason}}"},
			query{"sum(increase(gitlatch_archive_failures_total[$__rate_interval]))", "failures"},
			query{"max(gitlatch_archive_pending)", "pending"}),
		graph("Notifications", "By receiver and result.", "short", 8,
			query{"sum by (receiver, result) (increase(gitlatch_notifications_total[$__rate_interval]))", "{{receiver}}, {{result}}"}),
		graph("Oldest notification that waits", "By receiver.", "s", 8,
			query{"max by (receiver) (gitlatch_notification_oldest_seconds)", "{{receiver}}"}),
	}
}

func syncs() []panel {
	return []panel{
		graph("Syncs", "GitSyncs by state.", "short", 8, query{"max by (state) (gitlatch_syncs)", "{{state}}"}, query{"max(gitlatch_syncs_unhealthy)", "unhealthy"}),
		graph("Runs", "Syncs that ran, by result.", "short", 8, query{"sum by (result) (increase(gitlatch_sync_runs_total[$__rate_interval]))", "{{result}}"}),
		graph("Steps, 99 of 100", "How long the steps of a sync take.", "s", 8,
			query{"histogram_quantile(0.99, sum by (le, step) (rate(gitlatch_sync_step_seconds_bucket[$__rate_interval])))", "{{step}}"}),
		graph("Drift", "By what became of it.", "short", 8, query{"sum by (result) (increase(gitlatch_drift_corrections_total[$__rate_interval]))", "{{result}}"}),
		graph("Drift is corrected within", "From the event that shows it.", "s", 8,
			query{"histogram_quantile(0.5, sum by (le) (rate(gitlatch_drift_correction_seconds_bucket[$__rate_interval])))", "half"},
			query{"histogram_quantile(0.99, sum by (le) (rate(gitlatch_drift_correction_seconds_bucket[$__rate_interval])))", "99 of 100"}),
		graph("Left alone", "Objects that somebody fights over, and those in a break-glass window.", "short", 8,
			query{"sum(gitlatch_drift_fights)", "fights"}, query{"sum(gitlatch_drift_held_objects)", "held"}),
	}
}

func webhook() []panel {
	return []panel{
		graph("Answered within", "Per phase, the record included.", "s", 8,
			query{"histogram_quantile(0.5, sum by (le, phase) (rate(gitlatch_webhook_duration_seconds_bucket[$__rate_interval])))", "half, {{phase}}"},
			query{"histogram_quantile(0.99, sum by (le, phase) (rate(gitlatch_webhook_duration_seconds_bucket[$__rate_interval])))", "99 of 100, {{phase}}"}),
		graph("Requests", "Answers per second, by what was answered.", "reqps", 8,
			query{"sum by (action) (rate(gitlatch_webhook_duration_seconds_count[$__rate_interval]))", "{{action}}"},
			query{"sum(gitlatch_webhook_in_flight)", "in flight"}),
		graph("Could not decide, could not record", "By cause, and by outcome and answer.", "short", 8,
			query{"sum by (cause) (increase(gitlatch_webhook_undecided_total[$__rate_interval]))", "{{cause}}"},
			query{"sum by (outcome, action) (increase(gitlatch_webhook_unrecorded_total[$__rate_interval]))", "unrecorded: {{outcome}}, {{action}}"}),
		graph("Writing a record takes", "99 of 100, failures included.", "s", 24,
			query{"histogram_quantile(0.99, sum by (le) (rate(gitlatch_records_write_seconds_bucket[$__rate_interval])))", "99 of 100"}),
	}
}
