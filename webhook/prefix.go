package webhook

import (
	"bytes"
	"encoding/json"
	"io"
	"unicode/utf8"

	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/gitlatch/gitlatch/policy"
)

// readPrefix makes what sense it can of the beginning of a review that could
// not be read whole: the API server writes uid, kind, resource, name, namespace,
// operation and userInfo before the objects. Fields that are not there, cut off
// or not of their type stay empty. It never fails and reads no object.
func readPrefix(body []byte, final bool) *policy.Request {
	req := &policy.Request{Final: final}
	d := json.NewDecoder(bytes.NewReader(body))
	if !enter(d) {
		return req
	}
	for {
		key, ok := nextKey(d)
		if !ok {
			return req
		}
		if key == "request" {
			if enter(d) {
				readRequest(d, req)
			}
			return req
		}
		if !skip(d) {
			return req
		}
	}
}

// readRequest reads the request's fields in whatever order they come.
func readRequest(d *json.Decoder, req *policy.Request) {
	for {
		key, ok := nextKey(d)
		if !ok {
			return
		}
		switch key {
		case "uid":
			uid, ok := readString(d)
			if !ok {
				return
			}
			req.UID = types.UID(uid)
		case "kind":
			ok = read(d, func(v metav1.GroupVersionKind) { req.Kind = schema.GroupVersionKind(v) })
		case "resource":
			ok = read(d, func(v metav1.GroupVersionResource) { req.Resource = schema.GroupVersionResource(v) })
		case "subResource":
			ok = read(d, func(v string) { req.Subresource = v })
		case "name":
			ok = read(d, func(v string) { req.Name = v })
		case "namespace":
			ok = read(d, func(v string) { req.Namespace = v })
		case "operation":
			ok = read(d, func(v policy.Operation) { req.Operation = v })
		case "userInfo":
			ok = read(d, func(v authenticationv1.UserInfo) { req.User = userOf(&v) })
		case "dryRun":
			ok = read(d, func(v bool) { req.DryRun = v })
		default:
			ok = skip(d)
		}
		if !ok {
			return
		}
	}
}

// enter steps into the object that comes next.
func enter(d *json.Decoder) bool {
	t, err := d.Token()
	return err == nil && t == json.Delim('{')
}

// nextKey is the next key of the object that the decoder is in.
func nextKey(d *json.Decoder) (string, bool) {
	t, err := d.Token()
	if err != nil {
		return "", false
	}
	key, ok := t.(string)
	return key, ok
}

// readString reads a string that is short and printable: it goes back in the
// answer.
func readString(d *json.Decoder) (string, bool) {
	var s string
	if !read(d, func(v string) { s = v }) {
		return "", false
	}
	if len(s) > 256 || !utf8.ValidString(s) {
		return "", false
	}
	return s, true
}

// read decodes the next value and hands it over when it is of its type. It says
// whether reading may go on.
func read[T any](d *json.Decoder, set func(T)) bool {
	var v T
	err := d.Decode(&v)
	if err == nil {
		set(v)
		return true
	}
	_, mistyped := err.(*json.UnmarshalTypeError)
	return mistyped // the value was read and was something else
}

// skip passes over the next value without keeping it.
func skip(d *json.Decoder) bool {
	depth := 0
	for {
		t, err := d.Token()
		if err == io.EOF || err != nil {
			return false
		}
		switch t {
		case json.Delim('{'), json.Delim('['):
			depth++
		case json.Delim('}'), json.Delim(']'):
			depth--
		}
		if depth <= 0 {
			return depth == 0
		}
	}
}
