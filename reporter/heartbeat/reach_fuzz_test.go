package heartbeat

import (
	"net"
	"strconv"
	"testing"

	admissionv1 "k8s.io/api/admissionregistration/v1"
)

// FuzzTarget: wherever a registration points, it is an address that can be dialled and the name that its certificate must
// have, or it is said why not.
func FuzzTarget(f *testing.F) {
	for _, url := range []string{"", "https://gate.example", "https://gate.example:8443/x", "https://[::1]:8443", "https://[::1]", "https://:443", "http://", "https://a:99999999", "gate:8443", "https://a%00b", "//h", "https://[fe80::1%25eth0]:1", "https://u:p@h"} {
		f.Add(url, false, "", "", int32(0))
	}
	f.Add("", true, "gitlatch-system", "gitlatch-webhook", int32(443))
	f.Add("https://gate.example", true, "", "", int32(-1))
	f.Fuzz(func(t *testing.T, url string, service bool, namespace, name string, port int32) {
		c := &admissionv1.WebhookClientConfig{}
		if url != "" {
			c.URL = &url
		}
		if service {
			c.Service = &admissionv1.ServiceReference{Namespace: namespace, Name: name, Port: &port}
		}
		address, certified, err := target(c)
		if err != nil {
			if address != "" || certified != "" {
				t.Errorf("%q: %v, and %q as %q", url, err, address, certified)
			}
			return
		}
		if service {
			if want := name + "." + namespace + ".svc"; certified != want || address != net.JoinHostPort(want, strconv.Itoa(int(port))) {
				t.Errorf("Service %s/%s is %q as %q", namespace, name, address, certified)
			}
			return
		}
		host, at, err := net.SplitHostPort(address)
		if err != nil || host != certified || host == "" {
			t.Errorf("%q is %q as %q: %v", url, address, certified, err)
		}
		if _, err := strconv.ParseUint(at, 10, 64); err != nil && len(at) < 19 {
			t.Errorf("%q is at port %q: %v", url, at, err)
		}
	})
}
