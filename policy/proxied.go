package policy

import utilnet "k8s.io/apimachinery/pkg/util/net"

// Proxied returns the name of the pod, Service or node that a request for a proxy goes to. The API server takes a scheme
// and a port with it, "https:web-0:8443", and hands all of it to admission as the name; nothing of that name is there to
// be looked up. Any other name comes back as it is.
//
// Source: k8s.io/kubernetes/pkg/registry/core/pod, ResourceLocation; k8s.io/apimachinery/pkg/util/net.
func Proxied(group, resource, subresource, name string) string {
	if group != "" || subresource != "proxy" {
		return name
	}
	switch resource {
	case "pods", "services", "nodes":
		if _, bare, _, valid := utilnet.SplitSchemeNamePort(name); valid {
			return bare
		}
	}
	return name
}
