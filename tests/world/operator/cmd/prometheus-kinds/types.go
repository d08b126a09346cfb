//go:build never

// Keeps the types in go.mod, which main.go names only in a text.
package main

import _ "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
