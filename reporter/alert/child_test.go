package alert

import (
	"context"
	"fmt"
	"os"
	"strings"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// childEnv has the test's own binary run the loop, as a process that can be killed:
// kubeconfig, file of receivers, namespace of the state, and whether it is to stand still
// before it writes into a record.
const childEnv = "GITLATCH_ALERT_CHILD"

func child(config string) int {
	part := strings.Split(config, "|")
	rest, err := clientcmd.BuildConfigFromFlags("", part[0])
	if err == nil {
		var c client.WithWatch
		if c, err = clientOf(rest); err == nil {
			if part[3] == "stands" {
				c = standing{c}
			}
			err = (&Loop{Client: c, File: part[1], State: types.NamespacedName{Namespace: part[2], Name: "gitlatch-reporter"}}).Start(context.Background())
		}
	}
	fmt.Fprintln(os.Stderr, err)
	return 1
}

// standing says when a status is to be written, and then does nothing for ever.
type standing struct{ client.WithWatch }

func (s standing) Status() client.SubResourceWriter { return standingStatus{s.WithWatch.Status()} }

type standingStatus struct{ client.SubResourceWriter }

func (standingStatus) Patch(context.Context, client.Object, client.Patch, ...client.SubResourcePatchOption) error {
	fmt.Println("standing")
	select {}
}
