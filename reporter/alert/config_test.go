package alert

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

func TestReadConfig(t *testing.T) {
	got, err := ReadConfig([]byte(`
cluster: prod
receivers:
- name: oncall
  type: slack
  urlFile: slack-url
- name: central
  type: alertmanager
  url: https://alertmanager.example/
  headers: [{name: X-Scope-OrgID, value: ops}, {name: X-Key, valueFile: /keys/key}]
  bearerTokenFile: token
  caFile: ca.crt
  certFile: tls.crt
  keyFile: tls.key
  outcomes: [Bypass, Tampered]
  namespaces: [shop]
  denied: NewRequester
  perMinute: 5
  since: 2026-01-31T14:00:00Z
`), "/etc/receivers")
	must(t, err)
	want := &Config{Cluster: "prod", Receivers: []Receiver{
		{Name: "oncall", Type: Slack, URLFile: "/etc/receivers/slack-url", Outcomes: outcomesByDefault(), Denied: DeniedAll, PerMinute: 30},
		{Name: "central", Type: Alertmanager, URL: "https://alertmanager.example/",
			Headers:         []Header{{Name: "X-Scope-OrgID", Value: "ops"}, {Name: "X-Key", ValueFile: "/keys/key"}},
			BearerTokenFile: "/etc/receivers/token", CAFile: "/etc/receivers/ca.crt", CertFile: "/etc/receivers/tls.crt", KeyFile: "/etc/receivers/tls.key",
			Outcomes: []v1alpha1.Outcome{v1alpha1.OutcomeBypass, v1alpha1.OutcomeTampered}, Namespaces: []string{"shop"},
			Denied: DeniedNewRequester, PerMinute: 5, Since: time.Date(2026, 1, 31, 14, 0, 0, 0, time.UTC)},
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestNobodyIsToldByChoice(t *testing.T) {
	got, err := ReadConfig([]byte("receivers: []\n"), "/")
	if diff := cmp.Diff(&Config{}, got); err != nil || diff != "" {
		t.Errorf("error %v (-want +got):\n%s", err, diff)
	}
}

func TestMistakesNameLineAndField(t *testing.T) {
	receiver := "receivers:\n- name: oncall\n  type: slack\n  urlFile: url\n"
	for name, tc := range map[string]struct{ file, want string }{
		"an empty file":           {"", "line 1: receivers: required; receivers: [] is none"},
		"comments only":           {"# later\n", "line 1: receivers: required; receivers: [] is none"},
		"no list":                 {"cluster: prod\n", "line 1: receivers: required; receivers: [] is none"},
		"not YAML":                {"receivers: [\n  hunter2: {", "line 2: this is not YAML"},
		"two documents":           {"receivers: []\n---\nreceivers: []\n", "there is more than one document in the file"},
		"a list at the top":       {"- name: oncall\n", "line 1: the file: must be a mapping"},
		"an unknown field":        {receiver + "  channel: '#ops'\n", "line 5: receivers[0].channel: there is no such field"},
		"a field of another case": {receiver + "  perminute: 3\n", "line 5: receivers[0].perminute: there is no such field"},
		"a field twice":           {receiver + "  urlFile: other\n", "line 5: receivers[0].urlFile: stands there twice"},
		"no name":                 {"receivers:\n- type: slack\n  urlFile: url\n", "line 2: receivers[0].name: required"},
		"a name with a blank":     {"receivers:\n- name: on call\n  type: slack\n  urlFile: url\n", "line 2: receivers[0].name: must be lower-case letters, digits and '-', at most 63, such as oncall"},
		"a name twice":            {receiver + "- name: oncall\n  type: slack\n  urlFile: url\n", "line 5: receivers[1]: there is a receiver of this name already"},
		"a name that is a number": {"receivers:\n- name: 7\n", "line 2: receivers[0].name: must be a string; quote it"},
		"no type":                 {"receivers:\n- name: oncall\n  urlFile: url\n", "line 2: receivers[0].type: required: one of alertmanager, slack, cloudevents"},
		"an unknown type":         {"receivers:\n- name: oncall\n  type: email\n", "line 3: receivers[0].type: must be one of alertmanager, slack, cloudevents"},
		"no address":              {"receivers:\n- name: oncall\n  type: slack\n", "line 2: receivers[0].url: one of url and urlFile is required"},
		"two addresses":           {receiver + "  url: https://hooks.example/hunter2\n", "line 2: receivers[0].url: one of url and urlFile is required"},
		"an address with a password": {"receivers:\n- name: oncall\n  type: slack\n  url: https://bob:hunter2@hooks.example\n",
			"line 4: receivers[0].url: must not hold a user and password; use headers or bearerTokenFile"},
		"no scheme":                     {"receivers:\n- name: oncall\n  type: slack\n  url: hooks.example/hunter2\n", "line 4: receivers[0].url: must be http:// or https:// and a host"},
		"a key without its certificate": {receiver + "  keyFile: tls.key\n", "line 2: receivers[0].certFile: certFile and keyFile go together"},
		"an unknown outcome":            {receiver + "  outcomes: [Denied, denied]\n", "line 5: receivers[0].outcomes[1]: must be one of Denied, Flagged, BreakGlass, Bypass, Tampered, Drift"},
		"a wildcard":                    {receiver + "  namespaces: ['*']\n", "line 5: receivers[0].namespaces[0]: must be the name of a namespace"},
		"no limit":                      {receiver + "  perMinute: 0\n", "line 5: receivers[0].perMinute: must be a whole number from 1 to 600"},
		"half a notification":           {receiver + "  perMinute: 0.5\n", "line 5: receivers[0].perMinute: must be a whole number from 1 to 600"},
		"a time without zone":           {receiver + "  since: yesterday\n", "line 5: receivers[0].since: must be a time such as 2026-01-31T14:00:00Z"},
		"a header of ours":              {receiver + "  headers: [{name: content-type, value: text/plain}]\n", "line 5: receivers[0].headers[0].name: is set by Gitlatch"},
		"a header that is none":         {receiver + "  headers: [{name: 'X Key', value: hunter2}]\n", "line 5: receivers[0].headers[0].name: must be the name of a header"},
		"a header of two lines":         {receiver + "  headers: [{name: X-Key, value: \"hunter2\\nHost: evil\"}]\n", "line 5: receivers[0].headers[0].value: must be one line"},
		"authorised twice":              {receiver + "  bearerTokenFile: token\n  headers: [{name: authorization, value: hunter2}]\n", "line 6: receivers[0].headers[0].name: bearerTokenFile sets this header"},
		"an alias":                      {"receivers: &a\n- *a\n", "line 2: receivers[0]: must be a mapping"},
		"an empty value":                {receiver + "  caFile: ''\n", "line 5: receivers[0].caFile: must not be empty; leave it out instead"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ReadConfig([]byte(tc.file), "/")
			if err == nil || err.Error() != tc.want {
				t.Errorf("error\n  %v, want\n  %s", err, tc.want)
			}
		})
	}
}
