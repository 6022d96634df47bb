package cluster

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestPeopleAreWhoTheyAre(t *testing.T) {
	for user, groups := range map[string][]string{
		"admin":    {"system:masters", "system:authenticated"},
		"alice":    {"devs", "system:authenticated"},
		"bob":      {"devs", "system:authenticated"},
		"carol":    {"devs", "system:authenticated"},
		"oncall":   {"oncall", "system:authenticated"},
		"reviewer": {"reviewers", "system:authenticated"},
	} {
		want := authenticationv1.UserInfo{Username: user, UID: user + "-uid", Groups: groups}
		if diff := cmp.Diff(want, whoAmI(t, shared.Config(user))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", user, diff)
		}
	}
}

func TestPeopleMayWhatRBACGivesThem(t *testing.T) {
	for user, want := range map[string]bool{
		"admin": true, "alice": true, "bob": true, "carol": true, "oncall": true, "pipeline": true, "reviewer": false,
	} {
		review := &authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{
			ResourceAttributes: &authorizationv1.ResourceAttributes{Verb: "delete", Group: "*", Resource: "*"},
		}}
		got, err := clientFor(t, shared.Config(user)).AuthorizationV1().SelfSubjectAccessReviews().Create(
			t.Context(), review, metav1.CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if got.Status.Allowed != want {
			t.Errorf("may %s delete everything: %v, want %v", user, got.Status.Allowed, want)
		}
	}
}

func TestACertificateCarriesACredentialIDAndNoUID(t *testing.T) {
	config, err := shared.Certificate("kubernetes-admin", "kubeadm:cluster-admins")
	if err != nil {
		t.Fatal(err)
	}
	got := whoAmI(t, config)
	id := got.Extra["authentication.kubernetes.io/credential-id"]
	if len(id) != 1 || !strings.HasPrefix(id[0], "X509SHA256=") {
		t.Errorf("credential-id is %v, want one X509SHA256=…", id)
	}
	got.Extra = nil
	want := authenticationv1.UserInfo{
		Username: "kubernetes-admin", Groups: []string{"kubeadm:cluster-admins", "system:authenticated"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestAStrangerPanics(t *testing.T) {
	defer func() {
		if diff := cmp.Diff(any(`cluster: nobody here is called "alcie"`), recover()); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}()
	shared.Config("alcie")
}
