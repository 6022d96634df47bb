package cluster

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	authenticationv1 "k8s.io/api/authentication/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const extraPrefix = "authentication.kubernetes.io/"

func TestAPodBoundAccountShowsItsPod(t *testing.T) {
	identity, err := shared.ServiceAccount(t.Context(), "bound", "operator", AccountOptions{})
	if err != nil {
		t.Fatal(err)
	}
	node, err := clientFor(t, shared.Config("admin")).CoreV1().Nodes().Get(t.Context(), NodeName, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	want := authenticationv1.UserInfo{
		Username: "system:serviceaccount:bound:operator",
		UID:      string(identity.UID),
		Groups:   []string{"system:serviceaccounts", "system:serviceaccounts:bound", "system:authenticated"},
		Extra: map[string]authenticationv1.ExtraValue{
			extraPrefix + "pod-name":  {identity.PodName},
			extraPrefix + "pod-uid":   {string(identity.PodUID)},
			extraPrefix + "node-name": {NodeName},
			extraPrefix + "node-uid":  {string(node.UID)},
		},
	}
	self := whoAmI(t, identity.Config)
	reviewed := reviewToken(t, identity.Token)
	for how, got := range map[string]authenticationv1.UserInfo{"SelfSubjectReview": self, "TokenReview": reviewed} {
		if id := got.Extra[extraPrefix+"credential-id"]; len(id) != 1 || !strings.HasPrefix(id[0], "JTI=") {
			t.Errorf("%s: credential-id is %v, want one JTI=…", how, id)
		}
		delete(got.Extra, extraPrefix+"credential-id")
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", how, diff)
		}
	}
}

func reviewToken(t *testing.T, token string) authenticationv1.UserInfo {
	t.Helper()
	review := &authenticationv1.TokenReview{Spec: authenticationv1.TokenReviewSpec{Token: token}}
	got, err := clientFor(t, shared.Config("admin")).AuthenticationV1().TokenReviews().Create(
		t.Context(), review, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if !got.Status.Authenticated {
		t.Fatalf("the token is not accepted: %s", got.Status.Error)
	}
	return got.Status.User
}

func TestAnUnboundTokenShowsNoPod(t *testing.T) {
	identity, err := shared.ServiceAccount(t.Context(), "bound", "carried-out", AccountOptions{Unbound: true})
	if err != nil {
		t.Fatal(err)
	}
	for user, uid := range map[string]string{identity.Login: string(identity.UID), "pipeline": ""} {
		got := whoAmI(t, shared.Config(user))
		if uid != "" && got.UID != uid {
			t.Errorf("%s has the uid %q, want %q", user, got.UID, uid)
		}
		keys := []string{}
		for key := range got.Extra {
			keys = append(keys, key)
		}
		if diff := cmp.Diff([]string{extraPrefix + "credential-id"}, keys); diff != "" {
			t.Errorf("%s: extra (-want +got):\n%s", user, diff)
		}
	}
}

func TestAnAccountMayOnlyWhatItsRulesSay(t *testing.T) {
	identity, err := shared.ServiceAccount(t.Context(), "bound", "reader", AccountOptions{
		Rules: []rbacv1.PolicyRule{{APIGroups: []string{""}, Resources: []string{"nodes"}, Verbs: []string{"list"}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	client := clientFor(t, identity.Config).CoreV1()
	if _, err := client.Nodes().List(t.Context(), metav1.ListOptions{}); err != nil {
		t.Errorf("listing nodes: %v", err)
	}
	if _, err := client.Pods("").List(t.Context(), metav1.ListOptions{}); !apierrors.IsForbidden(err) {
		t.Errorf("listing pods: %v, want forbidden", err)
	}
}

func TestATokenEndsWithItsPod(t *testing.T) {
	identity, err := shared.ServiceAccount(t.Context(), "bound", "mortal", AccountOptions{})
	if err != nil {
		t.Fatal(err)
	}
	again, err := shared.ServiceAccount(t.Context(), "bound", "mortal", AccountOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(identity.PodUID, again.PodUID); diff != "" {
		t.Errorf("asked again, it has another pod (-first +second):\n%s", diff)
	}
	pods := clientFor(t, shared.Config("admin")).CoreV1().Pods("bound")
	if err := pods.Delete(t.Context(), identity.PodName, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	client := clientFor(t, identity.Config).AuthenticationV1().SelfSubjectReviews()
	eventually(t, "the token of a deleted pod", func() string {
		_, err := client.Create(t.Context(), &authenticationv1.SelfSubjectReview{}, metav1.CreateOptions{})
		if apierrors.IsUnauthorized(err) {
			return ""
		}
		return "it is still accepted"
	})
}
