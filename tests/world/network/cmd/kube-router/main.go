// The upstream kube-router with nothing but its firewall, which holds pods to NetworkPolicies.
package main

import (
	"sync"

	"github.com/cloudnativelabs/kube-router/v2/pkg/controllers/netpol"
	"github.com/cloudnativelabs/kube-router/v2/pkg/healthcheck"
	"github.com/cloudnativelabs/kube-router/v2/pkg/options"
	"github.com/spf13/pflag"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"
)

func main() {
	config := options.NewKubeRouterConfig()
	config.AddFlags(pflag.CommandLine)
	pflag.Parse()
	access, err := clientcmd.BuildConfigFromFlags(config.Master, config.Kubeconfig)
	must(err)
	cluster, err := kubernetes.NewForConfig(access)
	must(err)
	forever := make(chan struct{})
	factory := informers.NewSharedInformerFactory(cluster, 0)
	pods := factory.Core().V1().Pods().Informer()
	namespaces := factory.Core().V1().Namespaces().Informer()
	policies := factory.Networking().V1().NetworkPolicies().Informer()
	factory.Start(forever)
	factory.WaitForCacheSync(forever)

	iptables, ipsets, err := netpol.NewIPTablesHandlers(config)
	must(err)
	firewall, err := netpol.NewNetworkPolicyController(
		cluster, config, pods, policies, namespaces, new(sync.Mutex), iptables, ipsets)
	must(err)
	tell(pods, firewall.PodEventHandler)
	tell(namespaces, firewall.NamespaceEventHandler)
	tell(policies, firewall.NetworkPolicyEventHandler)
	var running sync.WaitGroup
	running.Add(1)
	firewall.Run(unheard(), forever, &running)
}

func tell(informer cache.SharedIndexInformer, handler cache.ResourceEventHandler) {
	_, err := informer.AddEventHandler(handler)
	must(err)
}

// Nobody asks for its health here, but somebody has to take what it says of it.
func unheard() chan<- *healthcheck.ControllerHeartbeat {
	heartbeats := make(chan *healthcheck.ControllerHeartbeat)
	go func() {
		for range heartbeats {
		}
	}()
	return heartbeats
}

func must(err error) {
	if err != nil {
		klog.Fatal(err)
	}
}
