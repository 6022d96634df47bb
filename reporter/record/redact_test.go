package record

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

func entryOf(kind, operation string, changes ...Change) Entry {
	return Entry{
		Spec: v1alpha1.ChangeRecordSpec{
			Outcome:    v1alpha1.OutcomeFlagged,
			Requester:  v1alpha1.Requester{Username: "alice"},
			Request:    v1alpha1.RecordedRequest{Operation: operation, Version: "v1", Resource: strings.ToLower(kind) + "s", Kind: kind, Namespace: "prod", Name: "web"},
			Evidence:   v1alpha1.EvidenceAdmission,
			Confidence: v1alpha1.ConfidenceProven,
		},
		Changes: changes,
	}
}

func changed(path string, from, to any) Change {
	return Change{Path: path, From: from, To: to, HasFrom: from != nil, HasTo: to != nil}
}

func TestRedact(t *testing.T) {
	type object = map[string]any
	manifest := `{"apiVersion":"v1","kind":"Secret","data":{"p":"aHVudGVyMg=="}}`
	for name, test := range map[string]struct {
		entry  Entry
		redact []string
		want   []v1alpha1.Change
	}{
		"a plain field is shown": {
			entry: entryOf("Deployment", operationUpdate, changed(".spec.replicas", int64(2), int64(4))),
			want:  []v1alpha1.Change{{Path: ".spec.replicas", From: "2", To: "4"}},
		},
		"a changed value of a Secret says only which side is which": {
			entry: entryOf("Secret", operationUpdate, changed(".data.password", "aHVudGVyMg==", "aHVudGVyMw==")),
			want:  []v1alpha1.Change{{Path: ".data.password", From: redactedBefore, To: redactedAfter}},
		},
		"a new key of a Secret has one side": {
			entry: entryOf("Secret", operationUpdate, changed(".data.token", nil, "aHVudGVyMg==")),
			want:  []v1alpha1.Change{{Path: ".data.token", To: redacted}},
		},
		"a created Secret shows not even its keys": {
			entry: entryOf("Secret", operationCreate, changed(".data.password", nil, "aHVudGVyMg=="), changed(".stringData.pin", nil, "1234"), changed(".type", nil, "Opaque")),
			want:  []v1alpha1.Change{{Path: ".data", To: redacted}, {Path: ".stringData", To: redacted}, {Path: ".type", To: `"Opaque"`}},
		},
		"a Secret that is recorded whole loses its data": {
			entry: entryOf("Secret", operationDelete, changed("", object{"kind": "Secret", "type": "Opaque", "data": object{"p": "aHVudGVyMg=="}}, nil)),
			want:  []v1alpha1.Change{{Path: "", From: `{"data":"***","kind":"Secret","type":"Opaque"}`}},
		},
		"a Secret within a list loses its data": {
			entry: entryOf("Bundle", operationCreate, changed(".items", nil, []any{object{"kind": "Secret", "data": object{"p": "hunter2"}}, object{"kind": "ConfigMap", "data": object{"a": "b"}}})),
			want:  []v1alpha1.Change{{Path: ".items", To: `[{"data":"***","kind":"Secret"},{"data":{"a":"b"},"kind":"ConfigMap"}]`}},
		},
		"items of a SecretList need no kind of their own": {
			entry: entryOf("Bundle", operationCreate, changed(".spec", nil, object{"kind": "SecretList", "items": []any{object{"data": object{"p": "hunter2"}}}})),
			want:  []v1alpha1.Change{{Path: ".spec", To: `{"items":[{"data":"***"}],"kind":"SecretList"}`}},
		},
		"a leaf of an embedded Secret is left out though its kind is not in sight": {
			entry: entryOf("Bundle", operationUpdate, changed(".spec.manifests[0].data.password", "hunter2", "hunter3")),
			want:  []v1alpha1.Change{{Path: ".spec.manifests[0].data", From: redactedBefore, To: redactedAfter}},
		},
		"the data of a ConfigMap is shown": {
			entry: entryOf("ConfigMap", operationUpdate, changed(".data.color", "red", "blue")),
			want:  []v1alpha1.Change{{Path: ".data.color", From: `"red"`, To: `"blue"`}},
		},
		"a manifest of a Secret in a ConfigMap is left out whole": {
			entry: entryOf("ConfigMap", operationUpdate, changed(".data.app", "kind: \"Secret\"\ndata: {p: hunter2}", manifest)),
			want:  []v1alpha1.Change{{Path: ".data.app", From: redactedBefore, To: redactedAfter}},
		},
		"a manifest that spells its letters oddly is read": {
			entry: entryOf("ConfigMap", operationUpdate, changed(".data.app", nil, `{"kind":"\u0053ecret","data":{"p":"hunter2"}}`)),
			want:  []v1alpha1.Change{{Path: ".data.app", To: redacted}},
		},
		"last-applied is left out by its path": {
			entry: entryOf("Deployment", operationUpdate, changed(`.metadata.annotations["`+lastApplied+`"]`, "{}", manifest)),
			want:  []v1alpha1.Change{{Path: `.metadata.annotations["` + lastApplied + `"]`, From: redactedBefore, To: redactedAfter}},
		},
		"last-applied is left out within larger values": {
			entry: entryOf("Deployment", operationCreate, changed(".metadata.annotations", nil, object{"a": "b", lastApplied: "{}"})),
			want:  []v1alpha1.Change{{Path: ".metadata.annotations", To: `{"a":"b","kubectl.kubernetes.io/last-applied-configuration":"***"}`}},
		},
		"a listed field is left out at any depth, on both sides": {
			entry:  entryOf("Database", operationUpdate, changed(".spec.auth", object{"user": "app", "Password": "hunter2"}, object{"user": "app", "Password": "hunter3"})),
			redact: []string{"password"},
			want:   []v1alpha1.Change{{Path: ".spec.auth", From: `{"Password":"*** (before)","user":"app"}`, To: `{"Password":"*** (after)","user":"app"}`}},
		},
		"a listed field hides all that is below it, its set members too": {
			entry:  entryOf("Database", operationUpdate, changed(`.spec.passwords[="hunter2"]`, "hunter2", nil), changed(`.spec.passwords[="hunter3"].x`, "hunter3", nil)),
			redact: []string{"passwords"},
			want:   []v1alpha1.Change{{Path: ".spec.passwords", From: redacted}},
		},
		"a listed field that is the key of a list hides the key": {
			entry:  entryOf("Database", operationUpdate, changed(`.spec.logins[token="hunter2"].role`, "a", "b")),
			redact: []string{"token"},
			want:   []v1alpha1.Change{{Path: ".spec.logins", From: redactedBefore, To: redactedAfter}},
		},
		"a listed field within a text hides the text": {
			entry:  entryOf("ConfigMap", operationUpdate, changed(".data.app", "password: hunter2", "user=app PASSWORD = hunter3")),
			redact: []string{"password"},
			want:   []v1alpha1.Change{{Path: ".data.app", From: redactedBefore, To: redactedAfter}},
		},
		"a text that only speaks of a password is shown": {
			entry:  entryOf("ConfigMap", operationUpdate, changed(".data.motd", nil, "change your password today")),
			redact: []string{"password"},
			want:   []v1alpha1.Change{{Path: ".data.motd", To: `"change your password today"`}},
		},
		"an environment variable of a listed name is left out by its path": {
			entry:  entryOf("Deployment", operationUpdate, changed(`.spec.env[name="DB_PASSWORD"].value`, "hunter2", "hunter3"), changed(`.spec.env[name="DB_USER"].value`, "app", "web")),
			redact: []string{"db_password"},
			want: []v1alpha1.Change{
				{Path: `.spec.env[name="DB_PASSWORD"].value`, From: redactedBefore, To: redactedAfter},
				{Path: `.spec.env[name="DB_USER"].value`, From: `"app"`, To: `"web"`},
			},
		},
		"an environment variable of a listed name is left out in a list": {
			entry: entryOf("Deployment", operationUpdate, changed(".spec.env",
				[]any{object{"name": "DB_PASSWORD", "value": "hunter2"}}, []any{object{"name": "db_password", "value": "hunter4"}, object{"name": "A", "value": "b"}})),
			redact: []string{"DB_PASSWORD"},
			want: []v1alpha1.Change{{Path: ".spec.env", From: `[{"name":"DB_PASSWORD","value":"***"}]`,
				To: `[{"name":"db_password","value":"***"},{"name":"A","value":"b"}]`}},
		},
		"an environment variable of a listed name is left out in a map, on both sides": {
			entry: entryOf("Job", operationUpdate, changed(".spec.variable",
				object{"name": "DB_PASSWORD", "value": "hunter2"}, object{"name": "DB_PASSWORD", "value": "hunter4"})),
			redact: []string{"DB_PASSWORD"},
			want: []v1alpha1.Change{{Path: ".spec.variable", From: `{"name":"DB_PASSWORD","value":"*** (before)"}`,
				To: `{"name":"DB_PASSWORD","value":"*** (after)"}`}},
		},
		"an environment variable of a listed name within a text hides the text": {
			entry:  entryOf("ConfigMap", operationUpdate, changed(".data.app", "- name: DB_PASSWORD\n  value: hunter2", `{"value":"hunter4","name":"\u0044B_PASSWORD"}`)),
			redact: []string{"DB_PASSWORD"},
			want:   []v1alpha1.Change{{Path: ".data.app", From: redactedBefore, To: redactedAfter}},
		},
		"a listed field whose name is no plain word is left out": {
			entry:  entryOf("ConfigMap", operationUpdate, changed(`.data["db.password"]`, "hunter2", "hunter3")),
			redact: []string{"db.password"},
			want:   []v1alpha1.Change{{Path: `.data["db.password"]`, From: redactedBefore, To: redactedAfter}},
		},
		"a path is cut after a whole step": {
			entry:  entryOf("ConfigMap", operationUpdate, changed(`.metadata.annotations["a.password.b"]`, "hunter2", "hunter3")),
			redact: []string{"password"},
			want:   []v1alpha1.Change{{Path: ".metadata.annotations", From: redactedBefore, To: redactedAfter}},
		},
		"a changed key of a Secret is shown though it is no plain word": {
			entry: entryOf("Secret", operationUpdate, changed(`.data["tls.key"]`, "aHVudGVyMg==", "aHVudGVyMw==")),
			want:  []v1alpha1.Change{{Path: `.data["tls.key"]`, From: redactedBefore, To: redactedAfter}},
		},
		"a long value is cut": {
			entry: entryOf("ConfigMap", operationUpdate, changed(".data.a", nil, strings.Repeat("ä", 300))),
			want:  []v1alpha1.Change{{Path: ".data.a", To: `"` + strings.Repeat("ä", 126) + "…"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			test.entry.Redact = test.redact
			got := build("cr-x", &test.entry).Spec.Changes
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("changes (-want +got):\n%s", diff)
			}
		})
	}
}

// FuzzRedact plants a value wherever it must not be shown, in a shape that the fuzzer chooses.
func FuzzRedact(f *testing.F) {
	f.Add("spec", "list", uint8(0), uint8(3), []byte(`{"a":1}`))
	f.Add("data", `x"]`, uint8(5), uint8(9), []byte(`[1,{"kind":"Secret"}]`))
	f.Add("metadata.annotations", "a.b", uint8(7), uint8(255), []byte(`{"kind":"ConfigMap","data":{"a":"b"}}`))
	const planted = "hunter2hunter2"
	f.Fuzz(func(t *testing.T, field, key string, place, wraps uint8, raw []byte) {
		var around any
		if json.Unmarshal(raw, &around) != nil {
			around = string(raw)
		}
		if strings.Contains(string(raw)+field+key, planted) {
			return // planted by the fuzzer itself
		}
		e := plant(planted, field, key, int(place), wraps, around)
		rec, err := json.Marshal(build("cr-x", &e))
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(rec), planted) {
			t.Errorf("the planted value is shown: %s", rec)
		}
		if len(rec) > 8<<10 {
			t.Errorf("the record has %d bytes", len(rec))
		}
	})
}

func plant(planted, field, key string, place int, wraps uint8, around any) Entry {
	type object = map[string]any
	secret := object{"kind": "Secret", "data": object{key: planted}, "stringData": object{key: []any{planted}}, "around": around}
	text, _ := json.Marshal(secret)
	var inner any
	path, kind := "."+field, "Widget"
	switch place % 8 {
	case 0:
		inner = secret
	case 1:
		inner = string(text)
	case 2:
		quoted, _ := json.Marshal(string(text))
		inner = string(quoted)
	case 3:
		inner = object{lastApplied: planted, key: around}
	case 4:
		inner = object{"password": object{key: planted}}
	case 5:
		kind, path, inner = "Secret", ".data."+key, planted
	case 6:
		path, inner = path+".password."+key, planted
	default:
		kind, path, inner = "Secret", "", secret
	}
	for ; wraps > 0 && place%8 < 5; wraps >>= 1 {
		if wraps&1 == 1 {
			inner = []any{around, inner}
			continue
		}
		inner = object{"w": inner, "around": around}
	}
	e := entryOf(kind, []string{operationCreate, operationUpdate, operationDelete}[place%3], changed(path, inner, around), changed(path, around, inner), changed(path, nil, inner))
	e.Redact = []string{"password"}
	return e
}
