package audit

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/yaml"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/policy"
	"github.com/gitlatch/gitlatch/reporter/record"
)

// monday is when the policies of these tests were made.
var monday = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

func after(minutes int) time.Time { return monday.Add(time.Duration(minutes) * time.Minute) }

// policyFrom compiles a policy that was made on monday: under it flux writes.
func policyFrom(t *testing.T, more string) *policy.Policy {
	t.Helper()
	in := &v1alpha1.ChangePolicy{}
	text := `
metadata: {name: cluster}
spec:
  mode: Enforce
  match: {excludeNamespaces: [free]}
  sync:
  - serviceAccount: {namespace: flux-system, name: kustomize-controller}
    fieldManagers: [kustomize-controller]
  - serviceAccount: {namespace: gitlatch-system, name: gitlatch-applier}
    fieldManagers: [gitlatch]
  trusted:
  - serviceAccount: {namespace: vault, name: injector}
    resources: [{apiGroups: [apps], resources: [deployments]}]
    fields: ['spec.template.metadata.annotations["vault.example/token"]']
`
	if err := yaml.UnmarshalStrict([]byte(text+more), in); err != nil {
		t.Fatal(err)
	}
	in.CreationTimestamp = metav1.NewTime(monday)
	p, errs := policy.Compile(in)
	if len(errs) > 0 {
		t.Fatal(errs.ToAggregate())
	}
	return p
}

func newSurvey(p *policy.Policy) (*survey, *[]Finding) {
	found := &[]Finding{}
	return &survey{
		Fields: &Fields{
			Policies: []*policy.Policy{p},
			Install: policy.Installation{
				Namespace: "gitlatch-system", Webhook: "gitlatch-webhook", Applier: "gitlatch-applier", Reporter: "gitlatch-reporter",
			},
		},
		found:      func(f Finding) error { *found = append(*found, f); return nil },
		began:      after(1000),
		namespaces: map[string]map[string]string{"prod": {}, "free": {}, "gitlatch-system": {}},
		records:    recordIndex{}, declared: inventories{}, undecided: map[string]*Undecided{},
	}, found
}

func deployments() *kind {
	return &kind{GroupVersionResource: schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "deployments"}, kind: "Deployment", namespaced: true}
}

// wrote is one entry of managedFields, minutes after monday.
func wrote(manager, operation, subresource string, minutes int, fields string) metav1.ManagedFieldsEntry {
	at := metav1.NewTime(after(minutes))
	return metav1.ManagedFieldsEntry{
		Manager: manager, Operation: metav1.ManagedFieldsOperationType(operation), Subresource: subresource,
		APIVersion: "apps/v1", Time: &at, FieldsType: "FieldsV1", FieldsV1: metav1.NewFieldsV1(fields),
	}
}

const (
	replicas  = `{"f:spec":{"f:replicas":{}}}`
	image     = `{"f:spec":{"f:template":{"f:spec":{"f:containers":{"k:{\"name\":\"web\"}":{"f:image":{}}}}}}}`
	container = `{"f:spec":{"f:template":{"f:spec":{"f:containers":{"k:{\"name\":\"web\"}":{".":{},"f:name":{},"f:image":{}}}}}}}`
	resources = `{"f:spec":{"f:template":{"f:spec":{"f:containers":{"k:{\"name\":\"web\"}":{".":{},"f:name":{},"f:resources":{}}}}}}}`
	restart   = `{"f:spec":{"f:template":{"f:metadata":{"f:annotations":{"f:kubectl.kubernetes.io/restartedAt":{}}}}}}`
	token     = `{"f:spec":{"f:template":{"f:metadata":{"f:annotations":{"f:vault.example/token":{}}}}}}`
	noted     = `{"f:metadata":{"f:annotations":{"f:note":{}}}}`
	held      = `{"f:metadata":{"f:finalizers":{".":{},"v:\"gitlatch.dev/sync\"":{}}}}`
	marked    = `{"f:metadata":{"f:labels":{"f:kustomize.toolkit.fluxcd.io/name":{}}},"f:spec":{"f:replicas":{}}}`
)

// deploymentWith is one in prod, an hour older than the policy.
func deploymentWith(entries ...metav1.ManagedFieldsEntry) *metav1.PartialObjectMetadata {
	return &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{
		Namespace: "prod", Name: "web", UID: "u-1", ResourceVersion: "7", Generation: 3,
		CreationTimestamp: metav1.NewTime(after(-60)), Annotations: map[string]string{"note": "x"}, ManagedFields: entries,
	}}
}

func younger(o *metav1.PartialObjectMetadata) *metav1.PartialObjectMetadata {
	o.CreationTimestamp = metav1.NewTime(after(3))
	return o
}

func timeless(e metav1.ManagedFieldsEntry) metav1.ManagedFieldsEntry {
	e.Time = nil
	return e
}

func flux(fields string) metav1.ManagedFieldsEntry {
	return wrote("kustomize-controller", "Apply", "", -30, fields)
}

// short says the parts of findings on which everything else rests.
func short(found []Finding) []string {
	out := []string{}
	for _, f := range found {
		line := fmt.Sprintf("%s %s %s %s", f.Reason, f.Request.Operation, f.Request.FieldManager, strings.Join(f.Fields, " "))
		if f.Declared {
			line += " declared"
		}
		out = append(out, strings.Join(strings.Fields(line), " "))
	}
	return out
}

func TestWhoseEntriesAreFindings(t *testing.T) {
	const imagePath = `.spec.template.spec.containers[name="web"].image`
	tests := []struct {
		name   string
		policy string
		object *metav1.PartialObjectMetadata
		want   []string
		ask    []string // undecided
	}{
		{"the sync's", "", deploymentWith(flux(replicas)), []string{}, nil},
		{"the control plane's", "", deploymentWith(wrote("kube-controller-manager", "Update", "", 5, noted)), []string{}, nil},
		{"a person's edit of what git declares", "", deploymentWith(flux(replicas), wrote("kubectl-edit", "Update", "", 5, image)),
			[]string{"ForeignManager UPDATE kubectl-edit " + imagePath + " declared"}, nil},
		{"a person's edit of what nobody declared", "", deploymentWith(wrote("helm", "Apply", "", 5, image)),
			[]string{"ForeignManager UPDATE helm " + imagePath}, nil},
		{"a scale", "", deploymentWith(flux(image), wrote("kubectl", "Update", "scale", 5, replicas)),
			[]string{"ForeignManager UPDATE kubectl .spec.replicas declared"}, nil},
		{"a scale without a time, of what is older than the policy", "", deploymentWith(flux(image), timeless(wrote("kubectl", "Update", "scale", 5, replicas))),
			[]string{}, []string{"kubectl"}},
		{"a scale without a time, of what was made since", "", younger(deploymentWith(flux(image), timeless(wrote("kubectl", "Update", "scale", 5, replicas)))),
			[]string{"ForeignManager UPDATE kubectl .spec.replicas declared"}, nil},
		{"an autoscaler's", "", deploymentWith(flux(image), wrote("kube-controller-manager", "Update", "scale", 5, replicas)), []string{}, nil},
		{"a status, whoever's", "", deploymentWith(flux(image), wrote("kubectl-edit", "Update", "status", 5, `{"f:status":{"f:replicas":{}}}`)), []string{}, nil},
		{"from before the policy", "", deploymentWith(wrote("kubectl-client-side-apply", "Update", "", -5, image)), []string{}, nil},
		{"from before the policy was in force", "", deploymentWith(wrote("kubectl-client-side-apply", "Update", "", 0, image)), []string{}, nil},
		{"a controller's, on what git does not declare", "", deploymentWith(flux(replicas), wrote("operator", "Update", "", 5, noted)), []string{}, []string{"operator"}},
		{"a controller's, on what git declares", "", deploymentWith(flux(replicas), wrote("operator", "Update", "", 5, replicas)),
			[]string{"ForeignManager UPDATE operator .spec.replicas declared"}, nil},
		{"a controller's, which applies what git declares", "", deploymentWith(flux(replicas), wrote("operator", "Apply", "", 5, replicas)), []string{}, []string{"operator"}},
		{"a controller's, which applies one field of a container", "", deploymentWith(flux(container), wrote("operator", "Apply", "", 5, resources)), []string{}, []string{"operator"}},
		{"a controller's, where none may write", "\n  controllers: None", deploymentWith(flux(replicas), wrote("operator", "Update", "", 5, noted)),
			[]string{"ForeignManager UPDATE operator .metadata.annotations.note declared"}, nil},
		{"a trusted subject's, on its field", "\n  controllers: None", deploymentWith(flux(replicas), wrote("injector", "Update", "", 5, token)), []string{}, nil},
		{"an operation that the policy allows", "\n  operations: {restart: Allow}", deploymentWith(flux(replicas), wrote("kubectl-rollout", "Update", "", 5, restart)), []string{}, nil},
		{"an operation that the policy flags", "", deploymentWith(flux(replicas), wrote("kubectl-rollout", "Update", "", 5, restart)),
			[]string{`ForeignManager UPDATE kubectl-rollout .spec.template.metadata.annotations["kubectl.kubernetes.io/restartedAt"] declared`}, nil},
		{"a person's, where only declared objects are guarded", "\n  objects: Declared", deploymentWith(wrote("kubectl-edit", "Update", "", 5, image)), []string{}, nil},
		{"a person's own field, where only declared fields are guarded", "\n  fields: Declared", deploymentWith(flux(replicas), wrote("kubectl-edit", "Update", "", 5, image)),
			[]string{}, []string{"kubectl-edit"}},
		{"of the applier's name, not applied", "", deploymentWith(wrote("gitlatch", "Update", "", 5, image)),
			[]string{"Forged UPDATE gitlatch " + imagePath}, nil},
		{"of the applier's name, a finalizer", "", deploymentWith(wrote("gitlatch", "Update", "", 5, held)), []string{}, nil},
		{"what was there when a cleared object was applied again", "", deploymentWith(flux(replicas), wrote("before-first-apply", "Update", "", 5, replicas)),
			[]string{"Erased UPDATE before-first-apply .spec.replicas declared"}, nil},
		{"what was there when an object without managedFields was applied first", "", deploymentWith(flux(replicas), wrote("before-first-apply", "Update", "", 5, noted)), []string{}, nil},
		{"that can't be read", "", deploymentWith(wrote("kubectl-edit", "Update", "", 5, "[")), []string{"ForeignManager UPDATE kubectl-edit"}, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s, found := newSurvey(policyFrom(t, test.policy))
			s.examine(deployments(), test.object)
			if err := s.settleHeld(t.Context()); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, short(*found)); diff != "" {
				t.Errorf("findings (-want +got):\n%s", diff)
			}
			var undecided []string
			for _, u := range s.summary().Undecided {
				undecided = append(undecided, u.Manager)
			}
			if diff := cmp.Diff(test.ask, undecided); diff != "" {
				t.Errorf("undecided (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAFindingSaysWhatIsKnown(t *testing.T) {
	s, found := newSurvey(policyFrom(t, ""))
	o := deploymentWith(wrote("kubectl-create", "Update", "", 5, image))
	o.CreationTimestamp = metav1.NewTime(after(5))
	s.examine(deployments(), o)
	want := []Finding{{
		Evidence: v1alpha1.EvidenceManagedFields, Confidence: v1alpha1.ConfidenceIndicated,
		Reason: v1alpha1.ReasonForeignManager, Policy: "cluster",
		Request: v1alpha1.RecordedRequest{
			Operation: "CREATE", Group: "apps", Version: "v1", Resource: "deployments", Kind: "Deployment",
			Namespace: "prod", Name: "web", FieldManager: "kubectl-create",
		},
		Target:  &v1alpha1.Target{UID: "u-1", ResourceVersion: "7", Generation: 3},
		At:      after(5),
		Fields:  []string{`.spec.template.spec.containers[name="web"].image`},
		Message: "field manager kubectl-create wrote apps/Deployment prod/web, by Update; it is a tool of people",
		Next:    "change it in git; the API server's audit log tells who it was",
	}}
	if diff := cmp.Diff(want, *found); diff != "" {
		t.Errorf("findings (-want +got):\n%s", diff)
	}
}

func TestWhatIsOutsideIsNotAsked(t *testing.T) {
	edited := func(tweak func(*metav1.PartialObjectMetadata)) *metav1.PartialObjectMetadata {
		o := deploymentWith(wrote("kubectl-edit", "Update", "", 5, image))
		tweak(o)
		return o
	}
	for name, o := range map[string]*metav1.PartialObjectMetadata{
		"of a namespace that no policy governs": edited(func(o *metav1.PartialObjectMetadata) { o.Namespace = "free" }),
		"before the time that is asked about":   edited(func(o *metav1.PartialObjectMetadata) { o.ManagedFields[0].Time.Time = after(2) }),
		"made after it":                         edited(func(o *metav1.PartialObjectMetadata) { o.CreationTimestamp.Time = after(10) }),
	} {
		t.Run(name, func(t *testing.T) {
			s, found := newSurvey(policyFrom(t, ""))
			s.From, s.To = after(4), after(9)
			s.examine(deployments(), o)
			if len(*found) > 0 {
				t.Errorf("found %v", short(*found))
			}
		})
	}
}

func TestWhatWasClearedIsKnownByAMarkThatNobodyOwns(t *testing.T) {
	marks := func(o *metav1.PartialObjectMetadata) *metav1.PartialObjectMetadata {
		o.Labels = map[string]string{"kustomize.toolkit.fluxcd.io/name": "apps"}
		return o
	}
	tests := []struct {
		name   string
		policy string
		object *metav1.PartialObjectMetadata
		listed bool
		want   []string
	}{
		{"nothing is cleared", "", marks(deploymentWith(flux(marked))), false, []string{}},
		{"all entries are", "", marks(deploymentWith()), false, []string{"Erased UPDATE declared"}},
		{"all but somebody's own", "", marks(deploymentWith(wrote("operator", "Update", "", 5, noted))), false, []string{"Erased UPDATE declared"}},
		{"where only declared objects are guarded, too", "\n  objects: Declared", marks(deploymentWith()), false, []string{"Erased UPDATE declared"}},
		{"a controller copied the mark", "", marks(deploymentWith(wrote("kube-controller-manager", "Update", "", 5, marked))), false, []string{}},
		{"an inventory lists the object", "", deploymentWith(), true, []string{"Erased UPDATE declared"}},
		{"nobody declares the object", "", deploymentWith(), false, []string{}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s, found := newSurvey(policyFrom(t, test.policy))
			if test.listed {
				s.declared[keyOf("apps", "Deployment", "prod", "web")] = false
			}
			s.examine(deployments(), test.object)
			if err := s.settleHeld(t.Context()); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, short(*found)); diff != "" {
				t.Errorf("findings (-want +got):\n%s", diff)
			}
		})
	}
}

func TestRecordsThatAgreeExplain(t *testing.T) {
	recorded := func(tweak func(*v1alpha1.ChangeRecord)) *v1alpha1.ChangeRecord {
		rec := &v1alpha1.ChangeRecord{}
		rec.Name = "cr-1"
		rec.Spec = v1alpha1.ChangeRecordSpec{
			Outcome: v1alpha1.OutcomeFlagged, Evidence: v1alpha1.EvidenceAdmission,
			Request: v1alpha1.RecordedRequest{
				Operation: "UPDATE", Group: "apps", Resource: "deployments", Namespace: "prod", Name: "web", FieldManager: "kubectl-edit",
			},
			Target: &v1alpha1.Target{UID: "u-1"},
		}
		rec.Status.FirstSeen = metav1.NewMicroTime(after(5).Add(300 * time.Millisecond))
		rec.Status.LastSeen = rec.Status.FirstSeen
		tweak(rec)
		return rec
	}
	watched := func(minutes int) func(*v1alpha1.ChangeRecord) {
		return func(r *v1alpha1.ChangeRecord) {
			r.Spec.Outcome, r.Spec.Evidence = v1alpha1.OutcomeDrift, v1alpha1.EvidenceWatch
			r.Status.FirstSeen = metav1.NewMicroTime(after(minutes))
			r.Status.LastSeen = r.Status.FirstSeen
		}
	}
	tests := []struct {
		name  string
		tweak func(*v1alpha1.ChangeRecord)
		want  bool
	}{
		{"of the write itself", func(*v1alpha1.ChangeRecord) {}, true},
		{"of a client that named no manager", func(r *v1alpha1.ChangeRecord) { r.Spec.Request.FieldManager = "" }, true},
		{"of another manager", func(r *v1alpha1.ChangeRecord) { r.Spec.Request.FieldManager = "kubectl-patch" }, false},
		{"of an earlier object of that name", func(r *v1alpha1.ChangeRecord) { r.Spec.Target.UID = "u-0" }, false},
		{"of a write a minute before", func(r *v1alpha1.ChangeRecord) { r.Status.LastSeen.Time = after(4); r.Status.FirstSeen.Time = after(4) }, false},
		{"of a write a minute after", func(r *v1alpha1.ChangeRecord) { r.Status.FirstSeen.Time = after(6); r.Status.LastSeen.Time = after(6) }, false},
		{"of a scale", func(r *v1alpha1.ChangeRecord) { r.Spec.Request.Subresource = "scale" }, false},
		{"of a deletion", func(r *v1alpha1.ChangeRecord) { r.Spec.Request.Operation = "DELETE" }, false},
		{"of a drift that was found an hour later", watched(65), true},
		{"of a drift that was found before", watched(4), false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s, found := newSurvey(policyFrom(t, ""))
			rec := recorded(test.tweak)
			place, _ := record.PlaceOf(rec)
			s.records[place] = append(s.records[place], knownOf(rec))
			s.examine(deployments(), deploymentWith(wrote("kubectl-edit", "Update", "", 5, image)))
			if len(*found) != 1 || (*found)[0].Explained() != test.want {
				t.Errorf("want explained %t, got %+v", test.want, *found)
			}
			if s.stats.Explained+s.stats.Findings != 1 || (s.stats.Explained == 1) != test.want {
				t.Errorf("counted %+v", s.stats)
			}
		})
	}
}
