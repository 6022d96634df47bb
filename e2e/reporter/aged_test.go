package reporter

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/gitlatch/gitlatch/test/cluster"
)

var stamp = regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z`)

// aged makes a record older, all its times alike. No API server would: it is done in etcd, by its JSON gateway.
func aged(t *testing.T, plane *cluster.Cluster, name string, by time.Duration) {
	t.Helper()
	key := []byte("/registry/gitlatch.dev/changerecords/" + name)
	var found struct {
		Kvs []struct{ Value []byte }
	}
	etcd(t, plane, "range", map[string]any{"key": key}, &found)
	if len(found.Kvs) != 1 {
		t.Fatalf("etcd has %d values of record %s", len(found.Kvs), name)
	}
	older := stamp.ReplaceAllFunc(found.Kvs[0].Value, func(at []byte) []byte {
		then, err := time.Parse(time.RFC3339Nano, string(at))
		must(t, err)
		layout := "2006-01-02T15:04:05Z"
		if bytes.ContainsRune(at, '.') {
			layout = "2006-01-02T15:04:05.000000Z"
		}
		return []byte(then.Add(-by).Format(layout))
	})
	etcd(t, plane, "put", map[string]any{"key": key, "value": older}, &struct{}{})
}

func etcd(t *testing.T, plane *cluster.Cluster, call string, ask, answer any) {
	t.Helper()
	body, err := json.Marshal(ask)
	must(t, err)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, plane.EtcdURL()+"/v3/kv/"+call, bytes.NewReader(body))
	must(t, err)
	response, err := http.DefaultClient.Do(request)
	must(t, err)
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	must(t, err)
	if response.StatusCode != http.StatusOK {
		must(t, fmt.Errorf("asking etcd to %s: %s: %s", call, response.Status, strings.TrimSpace(string(content))))
	}
	must(t, json.Unmarshal(content, answer))
}
