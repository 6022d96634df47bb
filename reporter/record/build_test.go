package record

import (
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

func TestARecordStaysSmall(t *testing.T) {
	long := strings.Repeat("<\x1b\x00", 4000)
	e := entryOf("ConfigMap", operationCreate)
	e.Spec.Request.Name, e.Spec.Request.Kind, e.Spec.Request.FieldManager = long, long, long
	e.Spec.Message, e.Spec.Policy = long, long
	e.Spec.Requester.Username, e.Spec.Requester.UID = long, long
	e.Spec.BreakGlass = &v1alpha1.RecordedWindow{Reason: long}
	e.Spec.Requester.Extra = map[string][]string{}
	for i := range 100 {
		e.Spec.Requester.Groups = append(e.Spec.Requester.Groups, strconv.Itoa(i)+long)
		e.Spec.Requester.Extra[strconv.Itoa(i)+long] = []string{long, long, long}
		e.Changes = append(e.Changes, changed(".data.k"+strconv.Itoa(i), nil, long))
	}
	rec := build("cr-x", &e)
	if got := size(rec); got > 7<<10 {
		t.Errorf("the worst record has %d bytes", got)
	}
	if got := len(rec.Spec.Changes) + int(rec.Spec.ChangesOmitted); got != 100 {
		t.Errorf("%d changes are shown or counted, want 100", got)
	}
}

func TestManyChangesAreCutAndCounted(t *testing.T) {
	e := entryOf("ConfigMap", operationUpdate)
	for i := range 500 {
		e.Changes = append(e.Changes, changed(".data.key"+strconv.Itoa(i), "a", strings.Repeat("b", 100)))
	}
	e.Omitted = 7
	rec := build("cr-x", &e)
	shown := len(rec.Spec.Changes)
	if size(rec) > maxRecord || shown < 20 {
		t.Errorf("%d bytes, %d changes shown", size(rec), shown)
	}
	if got := int(rec.Spec.ChangesOmitted) + shown; got != 507 {
		t.Errorf("%d changes are shown or counted, want 507", got)
	}
}

func TestLabels(t *testing.T) {
	e := entryOf("ConfigMap", operationUpdate)
	e.Spec.Policy = strings.Repeat("p", 80)
	e.OpensWindow, e.Unresolved = true, true
	got := build("cr-x", &e).Labels
	want := map[string]string{
		v1alpha1.LabelOutcome:    "Flagged",
		v1alpha1.LabelUser:       UserHash("alice"),
		v1alpha1.LabelKind:       "ConfigMap",
		v1alpha1.LabelNamespace:  "prod",
		v1alpha1.LabelPolicy:     LabelValue(e.Spec.Policy),
		v1alpha1.LabelWindow:     "open",
		v1alpha1.LabelUnresolved: "true",
		labelAttempt:             e.act(),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("labels (-want +got):\n%s", diff)
	}
	for key, value := range got {
		if wrong := validation.IsValidLabelValue(value); len(wrong) > 0 {
			t.Errorf("%s=%s: %v", key, value, wrong)
		}
	}
}

func TestAFoldedRecordNamesNoTarget(t *testing.T) {
	e := entryOf("ConfigMap", operationUpdate, changed(".data.a", "1", "2"))
	e.Spec.Target = &v1alpha1.Target{UID: "u"}
	e.Spec.Request.UID = "r"
	one, all := buildFolded("cr-x", &e, false).Spec, buildFolded("cr-x", &e, true).Spec
	want := e.Spec
	want.Folded, want.Target, want.Request.UID, want.Request.Name = true, nil, "", "*"
	if diff := cmp.Diff(want, one); diff != "" {
		t.Errorf("folded by namespace (-want +got):\n%s", diff)
	}
	want.Request = v1alpha1.RecordedRequest{Operation: operationUpdate, Group: "*", Resource: "*", Name: "*"}
	if diff := cmp.Diff(want, all); diff != "" {
		t.Errorf("folded over all (-want +got):\n%s", diff)
	}
}

func FuzzName(f *testing.F) {
	f.Add("alice", "u1", "web", "prod", "bob", "", "we", "bprod")
	f.Add("a", "bc", "d", "", "ab", "c", "d", "")
	f.Fuzz(func(t *testing.T, user, uid, name, namespace, user2, uid2, name2, namespace2 string) {
		a, b := entryOf("ConfigMap", operationUpdate), entryOf("ConfigMap", operationUpdate)
		a.Spec.Requester.Username, a.Spec.Requester.UID, a.Spec.Request.Name, a.Spec.Request.Namespace = user, uid, name, namespace
		b.Spec.Requester.Username, b.Spec.Requester.UID, b.Spec.Request.Name, b.Spec.Request.Namespace = user2, uid2, name2, namespace2
		same := user == user2 && uid == uid2 && name == name2 && namespace == namespace2
		if got := recordName(a.denialKey()) == recordName(b.denialKey()); got != same {
			t.Errorf("the names are the same: %t, the acts: %t", got, same)
		}
		if wrong := validation.IsDNS1123Subdomain(recordName(a.act())); len(wrong) > 0 {
			t.Error(wrong)
		}
		if wrong := validation.IsValidLabelValue(LabelValue(user)); len(wrong) > 0 {
			t.Error(wrong)
		}
	})
}
