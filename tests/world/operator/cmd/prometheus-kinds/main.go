// Prints the definitions of the Prometheus operator's kinds that pullmint's chart has objects of, one a line, in JSON.
//
// They are made of the operator's own types, with the generator that its releases are made with. The one argument is the
// directory of this module, whose go.mod says which types those are.
package main

import (
	"encoding/json"
	"log"
	"os"

	"golang.org/x/tools/go/packages"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-tools/pkg/crd"
	crdmarkers "sigs.k8s.io/controller-tools/pkg/crd/markers"
	"sigs.k8s.io/controller-tools/pkg/loader"
	"sigs.k8s.io/controller-tools/pkg/markers"
)

const types = "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"

func main() {
	roots, err := loader.LoadRootsWithConfig(&packages.Config{Dir: os.Args[1]}, types)
	check(err)
	known := &markers.Registry{}
	check(crdmarkers.Register(known))
	filters := []loader.NodeFilter{crd.Generator{}.CheckFilter()}
	parser := &crd.Parser{
		Collector: &markers.Collector{Registry: known},
		Checker:   &loader.TypeChecker{NodeFilters: filters},
	}
	crd.AddKnownTypes(parser)
	parser.NeedPackage(roots[0])

	var definitions []any
	for _, name := range []string{"ServiceMonitor", "PodMonitor", "PrometheusRule"} {
		kind := schema.GroupKind{Group: "monitoring.coreos.com", Kind: name}
		parser.NeedCRDFor(kind, nil)
		definition, isThere := parser.CustomResourceDefinitions[kind]
		if !isThere {
			log.Fatalf("%s has no kind %s", types, name)
		}
		crd.FixTopLevelMetadata(definition)
		definitions = append(definitions, definition)
	}
	// Only a part of what the types refer to is read, which looks like errors of types.
	if loader.PrintErrors(roots, packages.TypeError) {
		os.Exit(1)
	}
	out := json.NewEncoder(os.Stdout)
	for _, definition := range definitions {
		check(out.Encode(definition))
	}
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
