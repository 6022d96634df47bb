package staticmanifests

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/test/world"
)

// TestAColdStartIsGuardedFromItsFirstAnswer: the plane comes up with no pod of Gitlatch alive, and then Gitlatch does.
func TestAColdStartIsGuardedFromItsFirstAnswer(t *testing.T) {
	here.Gate.Kill(0)
	here.Plane.StopAll()
	world.Must(t, here.Plane.StartAll(t.Context()))
	here.Kubectl(t, "alice", "delete", "validatingwebhookconfiguration", "gitlatch").MustFail(t, said)
	if got, code := run(t, "alice", "off", "--reason", "INC-42: nobody is there"); code != 1 {
		t.Errorf("alice off: exit %d: %s", code, got)
	}
	if got, code := run(t, "oncall", "off", "--reason", "INC-42: nobody is there"); code != 0 {
		t.Errorf("oncall off: exit %d: %s", code, got)
	}
	if got, code := run(t, "oncall", "on"); code != 0 {
		t.Errorf("oncall on: exit %d: %s", code, got)
	}
	world.Must(t, here.Gate.Start(t.Context(), 0))
	world.Must(t, here.Gate.WaitRegistered(t.Context()))
	here.Kubectl(t, "alice", "create", "configmap", here.Named("warm"), "-n", "default").MustDeny(t, v1alpha1.ReasonOutOfBand)
}

// TestTheFileIsTheLastWayOut: it is moved away and back while the API server runs, as its README says; a broken one
// leaves the guard as it is.
func TestTheFileIsTheLastWayOut(t *testing.T) {
	file := filepath.Join(here.Plane.Dir(), "static", "policies", "gitlatch.yaml")
	whole, err := os.ReadFile(file)
	world.Must(t, err)
	t.Cleanup(func() { world.Must(t, os.WriteFile(file, whole, 0o600)) })
	admitted := func(ctx context.Context) error {
		_, stderr, code := here.Plane.Kubectl(ctx, "alice", "", "delete", "validatingwebhookconfiguration", "gitlatch", "--dry-run=server")
		if code != 0 {
			return errors.New(stderr)
		}
		return nil
	}
	denied := func(ctx context.Context) error {
		if err := admitted(ctx); err == nil || !strings.Contains(err.Error(), said) {
			return errors.New("it is not denied")
		}
		return nil
	}
	world.Must(t, os.WriteFile(file, []byte("kind: [\n"), 0o600))
	world.Eventually(t, "the API server to refuse a broken file", 2*time.Minute, func(context.Context) error {
		log, err := os.ReadFile(here.Plane.LogFile("kube-apiserver"))
		if err == nil && !strings.Contains(string(log), "reloading manifest config") {
			err = errors.New("its log says nothing of it")
		}
		return err
	})
	world.Must(t, denied(t.Context()))
	world.Must(t, os.Remove(file))
	world.Eventually(t, "the guard to go with its file", 2*time.Minute, admitted)
	world.Must(t, os.WriteFile(file, whole, 0o600))
	world.Eventually(t, "the guard to come with its file", 2*time.Minute, denied)
}
