package webhook

import (
	"errors"
	"fmt"

	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	utiljson "k8s.io/apimachinery/pkg/util/json"

	"github.com/gitlatch/gitlatch/policy"
)

// The one version of AdmissionReview that is spoken.
const (
	reviewAPIVersion = "admission.k8s.io/v1"
	reviewKind       = "AdmissionReview"
)

// review is AdmissionReview v1 on its way in. The objects are decoded in the
// same pass as the envelope: the published type would keep them raw, and make
// us read each one twice.
type review struct {
	APIVersion string         `json:"apiVersion"`
	Kind       string         `json:"kind"`
	Request    *reviewRequest `json:"request"`
}

type reviewRequest struct {
	UID         types.UID                   `json:"uid"`
	Kind        metav1.GroupVersionKind     `json:"kind"`
	Resource    metav1.GroupVersionResource `json:"resource"`
	SubResource string                      `json:"subResource"`
	Name        string                      `json:"name"`
	Namespace   string                      `json:"namespace"`
	Operation   policy.Operation            `json:"operation"`
	UserInfo    authenticationv1.UserInfo   `json:"userInfo"`
	Object      map[string]any              `json:"object"`
	OldObject   map[string]any              `json:"oldObject"`
	DryRun      bool                        `json:"dryRun"`
	Options     reviewOptions               `json:"options"`
}

// reviewOptions is the one option that matters here.
type reviewOptions struct {
	FieldManager string `json:"fieldManager"`
}

// decodeReview reads a whole body. What it can't make full sense of is an
// error: a request is judged on all of it or not at all.
//
// recorded is the name under which the request is recorded: that of the target,
// or "prefix*" where the API server generates it. In the validating call the
// generated name is there already, but the record was written before it was.
func decodeReview(body []byte, final bool) (req *policy.Request, recorded string, err error) {
	var in review
	if err := utiljson.Unmarshal(body, &in); err != nil {
		// The decoder's own words may quote the body, and so a Secret.
		return nil, "", errors.New("decoding the review: not an AdmissionReview in JSON")
	}
	if in.APIVersion != reviewAPIVersion || in.Kind != reviewKind {
		return nil, "", fmt.Errorf("reading the review: only %s %s is spoken", reviewAPIVersion, reviewKind)
	}
	if in.Request == nil || in.Request.UID == "" {
		return nil, "", errors.New("reading the review: no request with a uid in it")
	}
	if req, err = in.Request.decoded(final); err != nil {
		return nil, "", err
	}
	recorded = req.Name
	if prefix := metaString(req.Object, "generateName"); req.Operation == policy.Create && in.Request.Name == "" && prefix != "" {
		recorded = prefix + "*"
	}
	return req, recorded, nil
}

func (r *reviewRequest) decoded(final bool) (*policy.Request, error) {
	switch r.Operation {
	case policy.Create, policy.Update, policy.Delete, policy.Connect:
	default:
		return nil, errors.New("reading the review: an operation that is not known")
	}
	if r.Resource.Resource == "" || r.Kind.Kind == "" {
		return nil, errors.New("reading the review: no resource or kind in it")
	}
	req := &policy.Request{
		UID:          r.UID,
		User:         userOf(&r.UserInfo),
		Operation:    r.Operation,
		Resource:     schema.GroupVersionResource(r.Resource),
		Kind:         schema.GroupVersionKind(r.Kind),
		Subresource:  r.SubResource,
		Namespace:    r.Namespace,
		Name:         policy.Proxied(r.Resource.Group, r.Resource.Resource, r.SubResource, targetName(r.Name, r.Object, r.OldObject)),
		FieldManager: r.Options.FieldManager,
		DryRun:       r.DryRun,
		Object:       r.Object,
		Old:          r.OldObject,
		Final:        final,
	}
	if req.Resource.Group == "" && req.Resource.Resource == "namespaces" {
		req.Namespace = req.Name
	}
	return req, nil
}

func userOf(in *authenticationv1.UserInfo) policy.User {
	u := policy.User{Name: in.Username, UID: in.UID, Groups: in.Groups}
	if len(in.Extra) > 0 {
		u.Extra = make(map[string][]string, len(in.Extra))
		for k, v := range in.Extra {
			u.Extra[k] = v
		}
	}
	return u
}

// targetName is the name that a person would call the target by. A
// deletecollection and a generated name carry none in the request itself.
func targetName(requested string, object, old map[string]any) string {
	if requested != "" {
		return requested
	}
	for _, o := range []map[string]any{object, old} {
		if name := metaString(o, "name"); name != "" {
			return name
		}
	}
	if prefix := metaString(object, "generateName"); prefix != "" {
		return prefix + "*"
	}
	return ""
}

// metaString is a string field of an object's metadata, "" where there is none.
func metaString(object map[string]any, field string) string {
	meta, _ := object["metadata"].(map[string]any)
	s, _ := meta[field].(string)
	return s
}
