// Command network-policies makes the cluster's NetworkPolicies hold on the node that it runs on, as kindnet does in kind's own nodes. Its one
// argument is the kubeconfig with which it watches them. New connections are queued for it by the kernel, and it lets them go on or not.
package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/kube-network-policies/pkg/networkpolicy"
)

// Queue is the number of the netfilter queue.
const queue = 100

// Rules that queue new connections by iptables, where POSTROUTING jumps to them: behind the rewriting of service addresses, before that of the source. Root on the node is kubelet
// with its probes. Nobody waits for a queue that nobody reads.
const rules = `*mangle
:NETWORK-POLICIES - [0:0]
-A NETWORK-POLICIES -m conntrack --ctstate ESTABLISHED,RELATED -j RETURN
-A NETWORK-POLICIES -m owner --uid-owner 0 -j RETURN
-A NETWORK-POLICIES -j NFQUEUE --queue-num %d --queue-bypass
COMMIT
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	if len(os.Args) != 2 {
		return fmt.Errorf("usage: %s KUBECONFIG", os.Args[0])
	}
	config, err := clientcmd.BuildConfigFromFlags("", os.Args[1])
	if err != nil {
		return err
	}
	config.AcceptContentTypes = "application/vnd.kubernetes.protobuf,application/json"
	config.ContentType = "application/vnd.kubernetes.protobuf"
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	shared := informers.NewSharedInformerFactory(client, 0)
	controller, err := networkpolicy.NewController(
		client,
		shared.Networking().V1().NetworkPolicies(),
		shared.Core().V1().Namespaces(),
		shared.Core().V1().Pods(),
		nil, nil, nil, nil,
		networkpolicy.Config{
			// As kindnet has it: a controller that is away stops no traffic.
			FailOpen: true,
			QueueID:  queue,
			// A look-up of names that races with itself loses a packet on kernels before 6.12.
			NetfilterBug1766Fix: true,
		},
	)
	if err != nil {
		return err
	}
	if !nftablesQueues() {
		if err := queueByIptables(ctx); err != nil {
			return err
		}
	}
	shared.Start(ctx.Done())
	return controller.Run(ctx)
}

// nftablesQueues tells whether the kernel queues by nftables, as the controller wants it. Nothing of the trial stays.
func nftablesQueues() bool {
	conn, err := nftables.New()
	if err != nil {
		return false
	}
	table := conn.AddTable(&nftables.Table{Name: "network-policies-trial", Family: nftables.TableFamilyINet})
	chain := conn.AddChain(&nftables.Chain{Name: "trial", Table: table})
	conn.AddRule(&nftables.Rule{Table: table, Chain: chain, Exprs: []expr.Any{&expr.Queue{Num: queue}}})
	conn.DelTable(table)
	return conn.Flush() == nil
}

// queueByIptables does what the controller's own rules do where nftables cannot. The controller complains of those and goes on.
func queueByIptables(ctx context.Context) error {
	command := exec.CommandContext(ctx, "iptables-restore", "-w", "-n")
	command.Stdin = strings.NewReader(fmt.Sprintf(rules, queue))
	if output, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("iptables-restore: %w: %s", err, output)
	}
	jump := func(verb string) error {
		return exec.CommandContext(ctx, "iptables", "-w", "-t", "mangle", verb, "POSTROUTING", "-j", "NETWORK-POLICIES").Run()
	}
	if jump("-C") == nil {
		return nil
	}
	return jump("-A")
}
