package retention

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/reporter/archive"
)

// TestThePluginDetectsAnEditedLine: scenario 28's second half. Records are archived and
// deleted by the loop, somebody edits one, and the real plugin says which.
func TestThePluginDetectsAnEditedLine(t *testing.T) {
	r := newRig(t, Options{MaxAge: 90 * day})
	for _, name := range []string{"cr-a", "cr-b", "cr-c"} {
		r.seed(t, name, seen(v1alpha1.OutcomeDenied, v1alpha1.PhaseClosed, 95*day))
	}
	done := r.pass(t)
	binary := filepath.Join(t.TempDir(), "kubectl-gitlatch")
	if out, err := exec.Command("go", "build", "-o", binary, "../../cmd/kubectl-gitlatch").CombinedOutput(); err != nil {
		t.Fatalf("building the plugin: %v\n%s", err, out)
	}
	verify := func(args []string) (text string, code int) {
		t.Helper()
		cmd := exec.Command(binary, append([]string{"archive", "verify", r.path, "--kubeconfig", shared.Kubeconfig("carol")}, args...)...)
		var out bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &out
		_ = cmd.Run()
		return regexp.MustCompile(` {2,}`).ReplaceAllString(strings.ReplaceAll(out.String(), r.path, "FILE"), "  "), cmd.ProcessState.ExitCode()
	}
	data, err := os.ReadFile(r.path)
	must(t, err)
	lines := strings.SplitAfter(string(data), "\n")
	second, err := archive.ParseLine([]byte(strings.TrimSuffix(lines[1], "\n")))
	must(t, err)
	same := "intact: 4 lines, 3 of records, seq 1 to 4\nhead: " + done.Head.String() + "\n"
	for _, tc := range []struct {
		name string
		args []string
		text string
		want string
		code int
	}{
		{"as it was written", nil, string(data), same, 0},
		{"with a head from elsewhere", []string{"--head", done.Head.String(), "--server", "https://127.0.0.1:1"}, string(data), same, 0},
		{"where the cluster can't be asked", []string{"--server", "https://127.0.0.1:1"}, string(data),
			"note: the end is compared with nothing: lines that were cut off at the end don't show\n" +
				"note: the cluster did not tell where the archive ends: reading the archive's head: " +
				`Get "https://127.0.0.1:1/api/v1/namespaces/gitlatch-system/configmaps/gitlatch-reporter": dial tcp 127.0.0.1:1: connect: connection refused` + "\n" + same, 0},
		{"bad flags", []string{"--head", "7"}, string(data), "error: --head: reading the head \"7\": it must be a number, a colon and 64 hexadecimal digits\n", 2},
		{"a line is edited", nil, strings.Join([]string{lines[0], lines[1], strings.Replace(lines[2], "alice", "mallory", 1), lines[3]}, ""),
			"WHAT  FILE  LINE  SEQ  RECORD  DETAIL\nedited  FILE  3  3  cr-b  its hash is not that of its content\n\n" +
				strings.Replace(same, "intact", "BROKEN", 1), 1},
		{"the beginning is removed", nil, strings.Join(lines[2:], ""),
			"WHAT  FILE  LINE  SEQ  RECORD  DETAIL\nremoved  FILE  1  1  <none>  lines with seq 1 to 2 are missing before it; if they are kept elsewhere, name these files first, or say --from which line it goes on\n\n" +
				"BROKEN: 2 lines, 2 of records, seq 3 to 4\nhead: " + done.Head.String() + "\n", 1},
		{"the beginning was moved away", []string{"--from", second.Head().String()}, strings.Join(lines[2:], ""),
			"note: what was written up to seq 2 is not looked at: it was said to be kept elsewhere\n" +
				"intact: 2 lines, 2 of records, seq 3 to 4\nhead: " + done.Head.String() + "\n", 0},
		{"a bad line to go on from", []string{"--from", "7"}, string(data), "error: --from: reading the head \"7\": it must be a number, a colon and 64 hexadecimal digits\n", 2},
		{"the end is cut off", nil, strings.Join(lines[:3], ""),
			"WHAT  FILE  LINE  SEQ  RECORD  DETAIL\ntruncated  FILE  <none>  4  <none>  it ends with seq 3, and the cluster knows of lines up to 4; if these are in other files, name them too\n\n" +
				"BROKEN: 3 lines, 2 of records, seq 1 to 3\nhead: ", 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			must(t, os.WriteFile(r.path, []byte(tc.text), 0o600))
			got, code := verify(tc.args)
			if !strings.HasSuffix(tc.want, "\n") { // the rest is a hash
				got = got[:min(len(got), len(tc.want))]
			}
			if diff := cmp.Diff(tc.want, got); diff != "" || code != tc.code {
				t.Errorf("exit %d, want %d (-want +got):\n%s", code, tc.code, diff)
			}
		})
	}
}
