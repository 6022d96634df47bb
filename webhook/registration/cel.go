package registration

import (
	"slices"
	"strconv"
	"strings"
)

/*
Pieces of CEL. Conditions are total: any of extra, groups, uid, subResource,
namespace, name, object, oldObject, metadata, managedFields and options may be
absent, and an error is a lock-out under Fail and a bypass under Ignore. So every
such key is asked for first. Whatever is walked is bounded first, too, since a
budget that is used up is an error as well.

Only what Kubernetes 1.30 knows is used: no cel.bind, no optionals.
Source: k8s.io/apiserver/pkg/admission/plugin/cel, BuildRequestType.
*/

const (
	celGroup     = `request.resource.group`
	celResource  = `request.resource.resource`
	celOperation = `request.operation`
	celSub       = `(has(request.subResource) ? request.subResource : "")`
	celNamespace = `(has(request.namespace) ? request.namespace : "")`
	celUser      = `(has(request.userInfo.username) ? request.userInfo.username : "")`
	celUID       = `(has(request.userInfo.uid) && request.userInfo.uid != "")`
	// celKind is "group/resource"; the core group gives "/pods".
	celKind = `(request.resource.group + "/" + request.resource.resource)`

	// maxWalked bounds the lists that a condition walks. An object with more
	// managers, or a user in more groups, is sent.
	maxWalked = 256
)

func quote(s string) string { return strconv.Quote(s) }

// among is "value is one of these"; of none: false.
func among(value string, list []string) string {
	switch len(list) {
	case 0:
		return "false"
	case 1:
		return "(" + value + " == " + quote(list[0]) + ")"
	}
	quoted := make([]string, len(list))
	for i, s := range list {
		quoted[i] = quote(s)
	}
	return "(" + value + " in [" + strings.Join(quoted, ", ") + "])"
}

// anyOf and allOf drop what is constant and what is said twice.
func anyOf(terms ...string) string { return join(terms, " || ", "true", "false") }
func allOf(terms ...string) string { return join(terms, " && ", "false", "true") }

func join(terms []string, op, absorbing, neutral string) string {
	var out []string
	for _, t := range terms {
		switch {
		case t == absorbing:
			return absorbing
		case t != neutral && !slices.Contains(out, t):
			out = append(out, t)
		}
	}
	switch len(out) {
	case 0:
		return neutral
	case 1:
		return out[0]
	}
	return "(" + strings.Join(out, op) + ")"
}

func not(term string) string {
	switch term {
	case "true":
		return "false"
	case "false":
		return "true"
	}
	return "!" + paren(term)
}

func paren(term string) string {
	if strings.HasPrefix(term, "(") && strings.HasSuffix(term, ")") && balanced(term[1:len(term)-1]) {
		return term
	}
	return "(" + term + ")"
}

// balanced: the outer parentheses belong to each other. Quoted text may hold
// parentheses, so it is passed over.
func balanced(s string) bool {
	depth, quoted := 0, false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '(':
			depth++
		case c == ')':
			if depth--; depth < 0 {
				return false
			}
		}
	}
	return depth == 0
}

// extra: the requester shows a value under this key.
func extra(key string) string {
	v := "request.userInfo.extra[" + quote(key) + "]"
	// An authenticator may give null for a list; only dyn lets it be asked for.
	return "(has(request.userInfo.extra) && " + quote(key) + " in request.userInfo.extra && dyn(" + v + ") != null" +
		" && size(" + v + ") > 0 && " + v + "[0] != \"\")"
}

func inGroup(group string) string {
	return "(has(request.userInfo.groups) && size(request.userInfo.groups) <= " + strconv.Itoa(maxWalked) +
		" && " + quote(group) + " in request.userInfo.groups)"
}

// isKind: the request is for this resource, with any subresource.
func isKind(group, resource string) string {
	return "(" + celKind + " == " + quote(group+"/"+resource) + ")"
}

// named: a name that the request carries, in any of its places, is one that test
// accepts. deletecollection has it on the old object only; a name that is to be
// generated is known by its beginning.
func named(test func(value string) string) string {
	const old, now = "oldObject.metadata", "object.metadata"
	return anyOf(
		"(has(request.name) && "+test("request.name")+")",
		"(object != null && has("+now+") && has("+now+".name) && "+test(now+".name")+")",
		"(object != null && has("+now+") && has("+now+".generateName) && "+test(now+".generateName")+")",
		"(oldObject != null && has("+old+") && has("+old+".name) && "+test(old+".name")+")",
	)
}

func startsWith(prefix string) func(string) string {
	return func(value string) string { return value + ".startsWith(" + quote(prefix) + ")" }
}

func endsWith(suffix string) func(string) string {
	return func(value string) string { return value + ".endsWith(" + quote(suffix) + ")" }
}

func is(names ...string) func(string) string {
	return func(value string) string { return among(value, names) }
}
