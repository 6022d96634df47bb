package identity

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	apiversion "k8s.io/apimachinery/pkg/util/version"

	"github.com/gitlatch/gitlatch/test/world"
)

// reviews are questions in the form of a creation. Nothing is stored.
func reviews() []request {
	const authn, authz = "/apis/authentication.k8s.io/v1/", "/apis/authorization.k8s.io/v1/"
	review := func(at, kind, spec string) request {
		group, _, _ := strings.Cut(strings.TrimPrefix(at, "/apis/"), "/")
		return request{http.MethodPost, at, fmt.Sprintf("apiVersion: %s/v1\nkind: %s\nspec: {%s}\n", group, kind, spec), ""}
	}
	return []request{
		review(authn+"selfsubjectreviews", "SelfSubjectReview", ""),
		review(authn+"tokenreviews", "TokenReview", "token: none"),
		review(authz+"selfsubjectaccessreviews", "SelfSubjectAccessReview", "resourceAttributes: {verb: get, resource: pods}"),
		review(authz+"selfsubjectrulesreviews", "SelfSubjectRulesReview", "namespace: default"),
		review(authz+"subjectaccessreviews", "SubjectAccessReview", "user: dave, resourceAttributes: {verb: get, resource: pods}"),
		review(authz+"namespaces/default/localsubjectaccessreviews", "LocalSubjectAccessReview", "user: dave, resourceAttributes: {namespace: default, verb: get, resource: pods}"),
	}
}

// A question changes nothing, and is answered while no webhook is alive, under Fail: neither the gate nor the backstop
// is asked about one, by whomever.
func TestReviewsAreAnsweredWithNoWebhookAlive(t *testing.T) {
	ns := here.NewNamespace(t, "{}")
	here.Gate.Kill(0)
	defer func() {
		world.Must(t, here.Gate.Start(t.Context(), 0))
		world.Must(t, here.Gate.WaitRegistered(t.Context()))
	}()
	for _, who := range []*party{known(t, "alice"), known(t, person(t, "dave")), known(t, "pipeline"), known(t, operator), known(t, syncer)} {
		for _, r := range reviews() {
			if a := who.send(t, r); a.code != http.StatusCreated {
				t.Errorf("%s: want an answer, got %d: %.400s", a.what, a.code, a.said)
			}
		}
	}
	if a := known(t, "alice").send(t, writes(ns)[0]); a.code < 400 {
		t.Errorf("%s: want a refusal with no webhook alive, got %d", a.what, a.code)
	}
}

// The one difference of minors for a webhook (docs/kubernetes-versions.md): before 1.37 the API server asks about
// questions too, so that it is the gate's conditions that leave them out.
func TestBefore137QuestionsReachWebhooks(t *testing.T) {
	reach := before137(t)
	dave := person(t, "dave")
	questions := asValidating(nowhere("asked"))
	questions.MatchConditions = []admissionv1.MatchCondition{{Name: "of-dave", Expression: `request.userInfo.username == "` + dave + `"`}}
	questions.ObjectSelector = nil
	questions.Rules[0].Rule = admissionv1.Rule{APIGroups: []string{"authentication.k8s.io", "authorization.k8s.io"}, APIVersions: []string{"*"}, Resources: []string{"*"}}
	configuration := &admissionv1.ValidatingWebhookConfiguration{
		ObjectMeta: metav1.ObjectMeta{Name: "questions"},
		Webhooks:   []admissionv1.ValidatingWebhook{asValidating(nowhere("questions")), questions},
	}
	admin := here.Client(t, "admin")
	world.Must(t, admin.Create(t.Context(), configuration))
	defer func() { world.Must(t, admin.Delete(t.Context(), configuration)) }()
	inUse(t, "questions")
	for _, r := range reviews() {
		a := known(t, dave).send(t, r)
		if got := strings.Contains(a.said, "failed calling webhook"); got != reach {
			t.Errorf("%s: asked %t, want %t: %d: %.300s", a.what, got, reach, a.code, a.said)
		}
	}
}

// before137 asks the API server.
func before137(t *testing.T) bool {
	t.Helper()
	var said struct {
		GitVersion string `json:"gitVersion"`
	}
	world.Must(t, json.Unmarshal([]byte(known(t, "admin").send(t, request{http.MethodGet, "/version", "", ""}).said), &said))
	at, err := apiversion.ParseGeneric(said.GitVersion)
	world.Must(t, err)
	return at.LessThan(apiversion.MustParseGeneric("1.37"))
}
