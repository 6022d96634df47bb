package heartbeat

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	discoveryv1 "k8s.io/api/discovery/v1"
)

func ptr[T any](v T) *T { return &v }

func TestEveryAPIServerIsKnown(t *testing.T) {
	got := hostsOf([]discoveryv1.EndpointSlice{
		{Ports: []discoveryv1.EndpointPort{{Name: ptr("https"), Port: ptr(int32(6443))}},
			Endpoints: []discoveryv1.Endpoint{
				{Addresses: []string{"10.0.0.2"}, Conditions: discoveryv1.EndpointConditions{Ready: ptr(true)}},
				{Addresses: []string{"10.0.0.1"}},
				{Addresses: []string{"10.0.0.3"}, Conditions: discoveryv1.EndpointConditions{Ready: ptr(false)}},
			}},
		{Ports: []discoveryv1.EndpointPort{{Name: ptr("https"), Port: ptr(int32(6443))}, {Name: ptr("other"), Port: ptr(int32(9000))}, {Name: ptr("https")}},
			Endpoints: []discoveryv1.Endpoint{{Addresses: []string{"fd00::1", "10.0.0.1"}}}},
	})
	if diff := cmp.Diff([]string{"10.0.0.1:6443", "10.0.0.2:6443", "[fd00::1]:6443"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestTheNameOfTheCertificate(t *testing.T) {
	for host, want := range map[string]string{
		"https://10.96.0.1:443":            "10.96.0.1",
		"https://api.prod.example:6443/k8": "api.prod.example",
		"10.96.0.1:443":                    "10.96.0.1",
		"https://[fd00::1]:443":            "fd00::1",
		"":                                 "kubernetes.default.svc",
	} {
		if got := serverName(host); got != want {
			t.Errorf("serverName(%q) = %q, want %q", host, got, want)
		}
	}
}
