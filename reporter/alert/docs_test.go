package alert

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"
)

// TestTheSampleIsRight: whoever starts from it starts from something that works.
func TestTheSampleIsRight(t *testing.T) {
	content, err := os.ReadFile("../../manifests/samples/receivers.yaml")
	must(t, err)
	secret := &corev1.Secret{}
	must(t, yaml.UnmarshalStrict(content, secret))
	config, err := ReadConfig([]byte(secret.StringData["receivers.yaml"]), "/")
	must(t, err)
	var got []string
	for _, r := range config.Receivers {
		got = append(got, r.Name+" "+string(r.Type))
		if key := strings.TrimPrefix(r.URLFile, "/"); key != "" && secret.StringData[key] == "" {
			t.Errorf("%s: the Secret has no key %s", r.Name, key)
		}
	}
	if diff := cmp.Diff([]string{"oncall slack", "alertmanager alertmanager", "siem cloudevents"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestEveryFieldIsDocumented, and no other.
func TestEveryFieldIsDocumented(t *testing.T) {
	page, err := os.ReadFile("../../docs/notifications.md")
	must(t, err)
	source, err := os.ReadFile("config_read.go")
	must(t, err)
	documented := map[string]bool{}
	for _, match := range regexp.MustCompile("`receivers\\[\\]\\.([a-zA-Z]+)`").FindAllSubmatch(page, -1) {
		documented[string(match[1])] = true
	}
	read := map[string]bool{}
	receiver := string(source)[strings.Index(string(source), "func (c *Config) add("):strings.Index(string(source), "// complete says")]
	for _, match := range regexp.MustCompile(`(?m)^\t\t"([a-zA-Z]+)": +`).FindAllStringSubmatch(receiver, -1) {
		read[match[1]] = true
	}
	if diff := cmp.Diff(read, documented); diff != "" || len(read) != 14 {
		t.Errorf("%d fields (-read +documented):\n%s", len(read), diff)
	}
}
