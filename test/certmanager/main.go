// Command certmanager runs what an installation of cert-manager runs for the overlay manifests/cert-manager: the
// controllers behind Issuers and Certificates (certmanager controllers), or the CA injector (certmanager injector). It is
// a module of its own and may import cert-manager, controller-runtime and client-go; the tests of e2e/certificates build
// it and run it under the accounts that an installation has.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "certmanager:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return fmt.Errorf("say which: controllers or injector")
	}
	flags := flag.NewFlagSet(args[0], flag.ContinueOnError)
	kubeconfig := flags.String("kubeconfig", "", "kubeconfig `file` of the account to run as")
	if err := flags.Parse(args[1:]); err != nil {
		return err
	}
	ctrl.SetLogger(klog.Background())
	switch args[0] {
	case "controllers":
		return controllers(ctx, *kubeconfig)
	case "injector":
		return injector(ctx, *kubeconfig)
	}
	return fmt.Errorf("%s: neither controllers nor injector", args[0])
}
