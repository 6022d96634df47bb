package webhook

import (
	"context"

	authorizationv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/gitlatch/gitlatch/policy"
)

// verbBreakGlass is the verb that RBAC grants for an emergency.
const verbBreakGlass = "breakglass"

// AccessReviewer creates SubjectAccessReviews, as client-go's typed client does.
type AccessReviewer interface {
	Create(ctx context.Context, review *authorizationv1.SubjectAccessReview, opts metav1.CreateOptions) (*authorizationv1.SubjectAccessReview, error)
}

// Authorize asks the API server whether the requester may break glass on the
// target. Every request is asked about anew: a right that was taken away ends the
// use of an open window. An error is logged here, since the answer has no room
// for it, and is a denial.
func (g *Grants) Authorize(ctx context.Context, req *policy.Request) policy.Authorization {
	answer, err := g.Reviews.Create(ctx, accessReview(req), metav1.CreateOptions{})
	if err != nil {
		logf.FromContext(ctx).Error(err, "asking for the right to break glass",
			"user", req.User.Name, "resource", req.Resource.GroupResource().String(),
			"namespace", req.Namespace, "name", req.Name)
		return policy.AuthorizationFailed
	}
	switch {
	case answer.Status.Allowed && !answer.Status.Denied:
		return policy.Authorized
	case answer.Status.EvaluationError != "" && !answer.Status.Denied:
		// A role could not be read, and it might have granted the verb.
		logf.FromContext(ctx).Info("right to break glass not fully evaluated",
			"user", req.User.Name, "error", answer.Status.EvaluationError)
		return policy.AuthorizationFailed
	}
	return policy.Unauthorized
}

func accessReview(req *policy.Request) *authorizationv1.SubjectAccessReview {
	name := req.Name
	if generated(name) {
		name = "" // RBAC must not take a prefix for a name
	}
	review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
		User:   req.User.Name,
		UID:    req.User.UID,
		Groups: req.User.Groups,
		ResourceAttributes: &authorizationv1.ResourceAttributes{
			Verb:      verbBreakGlass,
			Group:     req.Resource.Group,
			Version:   req.Resource.Version,
			Resource:  req.Resource.Resource,
			Namespace: req.Namespace,
			Name:      name,
		},
	}}
	if len(req.User.Extra) > 0 {
		review.Spec.Extra = make(map[string]authorizationv1.ExtraValue, len(req.User.Extra))
		for k, v := range req.User.Extra {
			review.Spec.Extra[k] = v
		}
	}
	return review
}
