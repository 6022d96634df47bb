package applier

import (
	"encoding/base64"
	"strings"
	"testing"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/applier/desired"
)

const readable = "is readable in git: encrypt it with SOPS, or declare a SealedSecret or an ExternalSecret; " +
	"and rotate it: a revert does not take it out of history"

// Scenario 20: what SOPS encrypted, for age or for PGP, reaches the cluster decrypted: a
// whole Secret, a file that a Kustomize generator takes in, and the values of a chart.
func TestEncryptedSecretsReachTheClusterDecrypted(t *testing.T) {
	for _, keys := range []struct {
		name string
		make func(*testing.T) *sealer
	}{{"age", newAgeSealer}, {"PGP", newPGPSealer}} {
		t.Run(keys.name, func(t *testing.T) {
			s := keys.make(t)
			for _, test := range []struct {
				name  string
				write func(w *project, value string)
				spec  []string
			}{
				{"a whole Secret", func(w *project, value string) { w.sealed(s, "deploy/db.yaml", secret("db", value)) }, nil},
				{"a generator's input", func(w *project, value string) {
					w.write("deploy/kustomization.yaml", "resources: [namespace.yaml]\nsecretGenerator: [{name: db, namespace: NS, envs: [db.env], options: {disableNameSuffixHash: true}}]\n")
					w.sealed(s, "deploy/db.env", "password="+value+"\n")
				}, nil},
				{"a chart's values", func(w *project, value string) {
					w.chart()
					w.sealed(s, "values/prod.yaml", "password: "+value+"\n")
				}, []string{"helm: {namespace: NS, valuesFiles: [values/prod.yaml]}"}},
			} {
				t.Run(test.name, func(t *testing.T) {
					w, value := newProject(t, ""), newValue()
					test.write(w, value)
					commit := w.commit("declare db")
					w.follow(append(test.spec, w.decrypting(s))...)
					w.applied(commit)
					if got := w.password(); got != value {
						t.Errorf("db's password has %d bytes, and not the ones that were encrypted", len(got))
					}
				})
			}
		})
	}
}

// chart makes the folder a chart with the namespace and a Secret db of which the
// password is a value.
func (w *project) chart() {
	w.t.Helper()
	w.remove("deploy/namespace.yaml")
	w.write("deploy/Chart.yaml", "apiVersion: v2\nname: shop\nversion: 0.1.0\n")
	w.write("deploy/templates/namespace.yaml", "apiVersion: v1\nkind: Namespace\nmetadata: {name: NS}\n")
	w.write("deploy/templates/db.yaml", "apiVersion: v1\nkind: Secret\nmetadata: {name: db, namespace: NS}\nstringData: {password: {{ .Values.password | quote }}}\n")
}

// password is that of the Secret db.
func (w *project) password() string {
	w.t.Helper()
	text, err := base64.StdEncoding.DecodeString(w.get("secret/db", ".data.password"))
	if err != nil {
		w.t.Fatal(err)
	}
	return string(text)
}

// Scenario 20: with a wrong key, a file that was tampered with, or a value that is in git
// to be read, nothing of the commit is applied, and the condition names file, object
// and key, and no value.
func TestASecretThatIsNotAsItShouldBeStopsTheWholeCommit(t *testing.T) {
	w, mine, other := newProject(t, ""), newAgeSealer(t), newAgeSealer(t)
	value := newValue()
	w.sealed(mine, "deploy/db.yaml", secret("db", value))
	good := w.commit("declare db")
	w.follow(w.decrypting(mine))
	w.applied(good)

	const list = "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: ConfigMap\n  metadata: {name: beside, namespace: NS}\n" +
		"- apiVersion: v1\n  kind: Secret\n  metadata: {name: api, namespace: NS}\n  data: {token: "
	inList := func() string { return w.fill(list) + base64.StdEncoding.EncodeToString([]byte(newValue())) + "}\n" }
	for _, test := range []struct {
		name, content string
		reason        desired.Reason
		want          string
	}{
		{"a wrong age key", w.sealedBy(other, secret("api", newValue())), desired.ReasonDecryption,
			"deploy/api.yaml: it is encrypted for age " + other.recipient + "; none of the keys given fits"},
		{"a label changed under the MAC", strings.Replace(w.sealedBy(mine, secret("api", newValue())), "app: web", "app: shop", 1), desired.ReasonDecryption,
			"deploy/api.yaml: its MAC does not match: it was changed without the key"},
		{"a plaintext Secret", w.fill(secret("api", newValue())), desired.ReasonPlaintext,
			"deploy/api.yaml (Secret NS/api) stringData.password: " + readable},
		{"a plaintext Secret in a list", inList(), desired.ReasonPlaintext, "deploy/api.yaml (Secret NS/api) data.token: " + readable},
		{"a value put in beside encrypted ones", strings.Replace(w.sealedBy(mine, secret("api", newValue())), "stringData:\n", "stringData:\n    token: "+newValue()+"\n", 1),
			desired.ReasonDecryption, "deploy/api.yaml: a value in it can't be decrypted: it was changed or moved without the key, or was never encrypted; " +
				"deploy/api.yaml (Secret NS/api) stringData.token: " + readable},
		{"what kubectl leaves in an annotation", w.sealedBy(mine, strings.Replace(secret("api", newValue()), "labels:", "annotations: {kubectl.kubernetes.io/last-applied-configuration: '"+
			`{"apiVersion":"v1","kind":"Secret","data":{"password":"`+base64.StdEncoding.EncodeToString([]byte(newValue()))+`"}}`+"'}\n  labels:", 1)),
			desired.ReasonPlaintext, "deploy/api.yaml (Secret NS/api) metadata.annotations.kubectl.kubernetes.io/last-applied-configuration: " + readable},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := *w
			w.t = t
			w.put("deploy/api.yaml", test.content)
			w.write("deploy/app.yaml", configMap("app"))
			w.stopped(test.reason, test.want, good)
			w.remove("deploy/api.yaml")
			w.remove("deploy/app.yaml")
		})
	}
	if w.password() != value {
		t.Error("db is no longer what the last good commit declared")
	}
	kubectl(t, "alice", "delete", "secret", "db", "-n", w.namespace).MustDeny(t, v1alpha1.ReasonOutOfBand)
}

func (w *project) sealedBy(s *sealer, plain string) string {
	return s.seal(w.t, "api.yaml", w.fill(plain))
}

// stopped commits, and expects that the commit is refused with this message and that
// neither of app and api is there.
func (w *project) stopped(reason desired.Reason, want, good string) {
	w.t.Helper()
	message := w.refused(w.commit("declare app and api"), string(reason))
	if want = strings.ReplaceAll(want, "NS", w.namespace) + "; keeping " + good[:7]; message != want {
		w.t.Errorf("the message is\n%s\nnot\n%s", message, want)
	}
	for _, object := range []string{"configmap/app", "configmap/beside", "secret/api"} {
		if w.get(object, ".metadata.name") != "" {
			w.t.Errorf("%s was applied", object)
		}
	}
}

// A Secret that Kustomize generates or that a chart writes is judged like one in a file.
func TestAPlaintextSecretThatIsRenderedStopsTheCommit(t *testing.T) {
	for _, test := range []struct {
		name  string
		good  func(*project)
		bad   func(*project)
		spec  string
		wants string
	}{
		{"a generator's literal",
			func(w *project) { w.write("deploy/kustomization.yaml", "resources: [namespace.yaml]\n") },
			func(w *project) {
				w.write("deploy/kustomization.yaml", "resources: [namespace.yaml, app.yaml]\nsecretGenerator: [{name: api, namespace: NS, literals: [password="+newValue()+"]}]\n")
			}, "", "deploy/kustomization.yaml (Secret NS/api) secretGenerator.literals.password: " + readable},
		{"a generator's file",
			func(w *project) { w.write("deploy/kustomization.yaml", "resources: [namespace.yaml]\n") },
			func(w *project) {
				w.write("deploy/api.env", "password="+newValue()+"\n")
				w.write("deploy/kustomization.yaml", "resources: [namespace.yaml, app.yaml]\nsecretGenerator: [{name: api, namespace: NS, envs: [api.env]}]\n")
			}, "", "deploy/kustomization.yaml (Secret NS/api) data.password: " + readable},
		{"a chart's template",
			func(w *project) { w.chart(); w.remove("deploy/templates/db.yaml") },
			func(w *project) {
				w.write("deploy/values.yaml", "password: "+newValue()+"\n")
				w.write("deploy/templates/api.yaml", "apiVersion: v1\nkind: Secret\nmetadata: {name: api, namespace: NS}\ndata: {password: {{ .Values.password | b64enc }}}\n")
			}, "helm: {namespace: NS}", "deploy/templates/api.yaml (Secret NS/api) data.password: " + readable},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newProject(t, "")
			test.good(w)
			good := w.commit("declare nothing secret")
			w.follow(test.spec)
			w.applied(good)
			test.bad(w)
			w.write("deploy/app.yaml", configMap("app"))
			w.stopped(desired.ReasonPlaintext, test.wants, good)
		})
	}
}

// Other keys in the cluster are another judgement of the commit that is applied, at
// once; what it declares is kept.
func TestOtherKeysAreTriedAtOnce(t *testing.T) {
	w, mine, other := newProject(t, "open"), newAgeSealer(t), newAgeSealer(t)
	value := newValue()
	w.sealed(mine, "deploy/db.yaml", secret("db", value))
	commit := w.commit("declare db")
	w.follow(w.decrypting(other))
	w.request()
	want := "deploy/db.yaml: it is encrypted for age " + mine.recipient + "; none of the keys given fits; "
	if got := w.failing(string(desired.ReasonDecryption)); got != want+"nothing was applied" {
		t.Errorf("with another's key the message is\n%s\nnot\n%s", got, want+"nothing was applied")
	}
	w.decrypting(mine)
	w.caughtUp(commit)
	w.decrypting(other)
	if got := w.failing(string(desired.ReasonDecryption)); got != want+"keeping "+commit[:7] {
		t.Errorf("with another's key again the message is\n%s\nnot\n%s", got, want+"keeping "+commit[:7])
	}
	kubectl(t, "alice", "delete", "secret", "db", "-n", w.namespace).MustAllow(t)
	w.pulledBack("secret/db", ".data.password", base64.StdEncoding.EncodeToString([]byte(value)))
}
