package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/test/gitlatch"
)

// heartbeat is how often the reporter asks here whether the gate is shut: who watches a demo does not wait for long.
const heartbeat = 2 * time.Second

// whoIsTold: nobody has to come and look.
func (d *demo) whoIsTold(ctx context.Context) error {
	d.out.title("Meanwhile, in a channel: the reporter has told of alice's edit")
	text, err := d.told(ctx, "Denied: alice tried to update ConfigMap shop/web around git", "manager kubectl-edit", "cluster demo")
	d.saw("the channel is told of alice's edit: who, what and where", err)
	_, command, found := strings.Cut(text, "`kubectl ")
	command, _, _ = strings.Cut(command, "`")
	if !found {
		d.saw("and by which command to look at it", fmt.Errorf("there is none: %s", text))
		return nil
	}
	answer, err := d.kubectl(ctx, "bob", strings.Fields(command)...)
	d.saw("and by which command to look at it, which shows what would have changed",
		errors.Join(err, hasAll(answer, []string{"alice", ".data.timeout", "30s", "5s"})))
	return nil
}

// secondPerson: an exception is over when somebody else has looked at it.
func (d *demo) secondPerson(ctx context.Context) error {
	d.out.title("The morning after: an emergency is reviewed, and by a second person")
	d.saw("the break-glass ends as Reverted", d.ended(ctx))
	_, err := d.kubectl(ctx, "reviewer", "gitlatch", "review")
	d.saw("what waits for review is listed", err)
	waiting, err := d.found(ctx, v1alpha1.OutcomeBreakGlass, v1alpha1.OutcomeFlagged)
	if err != nil {
		return err
	}
	opener := slices.IndexFunc(waiting, func(r v1alpha1.ChangeRecord) bool {
		return r.Spec.BreakGlass != nil && r.Spec.BreakGlass.Window == ""
	})
	if opener < 0 {
		d.saw("the one that opened the window is there", errors.New("there is none"))
		return nil
	}
	name := waiting[opener].Name
	answer, err := d.kubectl(ctx, "oncall", "gitlatch", "review", "approve", name)
	d.saw("oncall can't approve their own", errors.Join(denied(answer, err, "oncall"), hasAll(answer, []string{string(v1alpha1.ReasonSelfReview)})))
	_, err = d.kubectl(ctx, "reviewer", "gitlatch", "review", "show", name)
	d.saw("a reviewer sees why it was, and what was done in it", err)
	approve := []string{"gitlatch", "review", "approve"}
	for i := range waiting {
		approve = append(approve, waiting[i].Name)
	}
	_, err = d.kubectl(ctx, "reviewer", append(approve, "--comment", "INC-42 was one, and git has the word again")...)
	d.saw("the reviewer approves, under their own name", errors.Join(err, d.closed(ctx)))
	answer, err = d.kubectl(ctx, "reviewer", "gitlatch", "review")
	d.saw("and the records close: nothing waits", errors.Join(err, hasAll(answer, []string{"nothing waits for a review"})))
	return nil
}

// closed waits until each record that waited is, as the reviewer approved it.
func (d *demo) closed(ctx context.Context) error {
	return gitlatch.WaitFor(ctx, 10*time.Second, "the records to close", func(ctx context.Context) error {
		records, err := d.found(ctx, v1alpha1.OutcomeBreakGlass, v1alpha1.OutcomeFlagged)
		for i := range records {
			s := &records[i].Status
			if s.Phase != v1alpha1.PhaseClosed || s.Review == nil || s.Review.Reviewer != "reviewer" {
				return fmt.Errorf("%s is %s, with review %+v", records[i].Name, s.Phase, s.Review)
			}
		}
		return err
	})
}

// gateIsDown: where nobody is asked, the applier and the reporter are what is left.
func (d *demo) gateIsDown(ctx context.Context) error {
	d.out.title("What if the gate is down? Both its replicas are killed, and then the backstop is taken away too")
	killed := time.Now()
	for i := range d.gitlatch.Replicas() {
		d.out.command("root", []string{"kill", "-9", fmt.Sprint(d.gitlatch.PID(i))})
		d.gitlatch.Kill(i)
	}
	edit := []string{"-n", "shop", "patch", "configmap/web", "--type=merge", "--patch", `{"data":{"timeout":"5s"}}`}
	said, err := d.kubectl(ctx, "alice", edit...)
	d.saw("with the gate down, the backstop refuses alice inside the API server", errors.Join(exited1(err), hasAll(said, []string{"ValidatingAdmissionPolicy 'gitlatch'"})))
	d.out.command("admin", []string{"kubectl", "delete", "validatingadmissionpolicybinding", "gitlatch"})
	if err := d.gitlatch.RemoveBackstop(ctx); err != nil {
		return err
	}
	_, err = d.kubectl(ctx, "alice", edit...)
	d.saw("with the backstop taken away as well, alice's edit goes through", err)
	d.saw("and the applier pulls it back within seconds", d.pulledBack(ctx, time.Now(), "timeout 30s", d.unchanged))
	_, err = d.kubectl(ctx, "alice", "-n", "shop", "create", "configmap", "workaround", "--from-literal=checkout=skip")
	d.saw("of what else she makes git knows nothing: it stays", err)

	gap, err := d.gap(ctx, killed.Add(15*time.Second), "the gap to be on record", func(r *v1alpha1.ChangeRecord) bool { return r.Status.Gap == nil })
	d.saw("within 15 s it is on record that the gate is open", err)
	if err != nil {
		return d.gateIsBack(ctx)
	}
	d.out.say(fmt.Sprintf("(after %.1f s; the reporter asks every %s here, and else every 10 s)", time.Since(killed).Seconds(), heartbeat))
	answer, err := d.kubectl(ctx, "bob", "gitlatch", "status")
	d.saw("status says so, and exits with 1", errors.Join(exited1(err), hasAll(answer, []string{"GATE  Failing", gap.Name})))
	d.out.say("")
	d.out.say("in the channel:")
	_, err = d.told(ctx, "Gap: the gate has been failing instead of enforcing", gap.Name)
	d.saw("and the channel is told", err)
	return errors.Join(d.gateIsBack(ctx), d.whatGotThrough(ctx, gap.Name))
}

func (d *demo) gateIsBack(ctx context.Context) error {
	for i := range d.gitlatch.Replicas() {
		if err := d.gitlatch.Start(ctx, i); err != nil {
			return err
		}
	}
	d.out.say("")
	d.out.say("(the gate is started again)")
	return d.gitlatch.WaitAnswering(ctx)
}

// whatGotThrough: the reporter looks for it by itself, and the audit log says who it was.
func (d *demo) whatGotThrough(ctx context.Context, gap string) error {
	d.out.title("The gate is back. What got through, and who was it?")
	ended, err := d.gap(ctx, time.Now().Add(30*time.Second), "the gap to end and be reviewed", func(r *v1alpha1.ChangeRecord) bool {
		return r.Name == gap && r.Status.Gap != nil && r.Status.Gap.Audited != nil
	})
	d.saw("the gap ends, and the reporter looks for what got through it", err)
	if err != nil {
		return nil
	}
	d.out.say(fmt.Sprintf("(%d found that nobody knew of)", ended.Status.Gap.Findings))
	bypasses, err := d.found(ctx, v1alpha1.OutcomeBypass)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(bypasses, func(r v1alpha1.ChangeRecord) bool { return r.Spec.Request.Name == "workaround" })
	if i < 0 {
		d.saw("what alice made is on record as a bypass", fmt.Errorf("of %d bypasses none is", len(bypasses)))
		return nil
	}
	answer, err := d.kubectl(ctx, "reviewer", "gitlatch", "review", "show", bypasses[i].Name)
	d.saw("what alice made is on record as a bypass, by the name of its manager", errors.Join(err, hasAll(answer, []string{"kubectl-create", "Indicated"})))
	answer, err = d.kubectl(ctx, "admin", "gitlatch", "audit", "--audit-log", d.cluster.AuditLog())
	d.saw("the API server's audit log proves that it was alice, of both",
		errors.Join(exited1(err), proven(answer, "alice", "update", "shop/web"), proven(answer, "alice", "create", "shop/workaround")))
	d.saw("and that the administrator took the backstop away", proven(answer, "admin", "delete", "admissionregistration.k8s.io/ValidatingAdmissionPolicyBinding"))
	d.saw("and accuses nobody else", onlyProven(answer, "alice", "admin"))
	return nil
}

// howItStands: five numbers for whoever asks whether all of this helps.
func (d *demo) howItStands(ctx context.Context) error {
	d.out.title("Is git the only path? Five signals")
	answer, err := d.kubectl(ctx, "bob", "gitlatch", "status")
	d.saw("status says that the gate enforces again, and what there is to look at", errors.Join(exited1(err), hasAll(answer, []string{
		"GATE  Enforcing", "Does the repository match reality?", "Do changes go through git?", "Is history the audit trail?",
		"Is drift corrected?", "Is rollback a revert?", "REVIEW",
	})))
	return nil
}

// found are the records of some outcomes.
func (d *demo) found(ctx context.Context, outcomes ...v1alpha1.Outcome) ([]v1alpha1.ChangeRecord, error) {
	records, err := d.records(ctx)
	return slices.DeleteFunc(records, func(r v1alpha1.ChangeRecord) bool { return !slices.Contains(outcomes, r.Spec.Outcome) }), err
}

// gap waits for the record of one.
func (d *demo) gap(ctx context.Context, until time.Time, what string, is func(*v1alpha1.ChangeRecord) bool) (gap *v1alpha1.ChangeRecord, err error) {
	err = gitlatch.WaitFor(ctx, time.Until(until), what, func(ctx context.Context) error {
		records, err := d.found(ctx, v1alpha1.OutcomeTampered)
		if err != nil {
			return err
		}
		for i := range records {
			if r := &records[i]; r.Spec.Gap != nil && is(r) {
				gap = r
				return nil
			}
		}
		return fmt.Errorf("none of %d records is it", len(records))
	})
	return gap, err
}

// exited1 wants the exit code by which the plugin says that there is something to look at.
func exited1(err error) error {
	if err == nil {
		return errors.New("exit 0")
	}
	if err.Error() == "exit 1" {
		return nil
	}
	return err
}

// proven wants a line with these words that is Proven.
func proven(answer string, words ...string) error {
	for line := range strings.Lines(answer) {
		if fields := strings.Fields(line); !slices.ContainsFunc(append(words, string(v1alpha1.ConfidenceProven)),
			func(word string) bool { return !slices.Contains(fields, word) }) {
			return nil
		}
	}
	return fmt.Errorf("nothing is proven of %v", words)
}

// onlyProven wants that nobody else is named in a line that says Proven.
func onlyProven(answer string, who ...string) error {
	for line := range strings.Lines(answer) {
		if fields := strings.Fields(line); slices.Contains(fields, string(v1alpha1.ConfidenceProven)) && !slices.Contains(who, fields[1]) {
			return errors.New(strings.TrimSpace(line))
		}
	}
	return nil
}
