package policy

import "testing"

func TestAProxyGoesToWhatItsNameNames(t *testing.T) {
	for _, c := range []struct{ group, resource, subresource, name, want string }{
		{"", "pods", "proxy", "web-0", "web-0"},
		{"", "pods", "proxy", "web-0:8080", "web-0"},
		{"", "pods", "proxy", "web-0:", "web-0"},
		{"", "pods", "proxy", "https:web-0:8443", "web-0"},
		{"", "pods", "proxy", ":web-0:http", "web-0"},
		{"", "services", "proxy", "http:web:http", "web"},
		{"", "nodes", "proxy", "https:n1:10250", "n1"},
		{"", "pods", "proxy", "ftp:web-0:21", "ftp:web-0:21"},     // the API server refuses it
		{"", "pods", "proxy", "http:web-0:1:2", "http:web-0:1:2"}, // and this
		{"", "pods", "proxy", "", ""},
		{"", "pods", "exec", "web-0:8080", "web-0:8080"}, // there is no such pod
		{"rbac.authorization.k8s.io", "clusterroles", "", "system:node:x", "system:node:x"},
		{"example.com", "pods", "proxy", "a:b", "a:b"},
	} {
		if got := Proxied(c.group, c.resource, c.subresource, c.name); got != c.want {
			t.Errorf("%s/%s %q goes to %q, want %q", c.resource, c.subresource, c.name, got, c.want)
		}
	}
}
