// Package plugin makes closevet a linter of golangci-lint's, by its module plugin system.
// A .custom-gcl.yml builds a golangci-lint that has it, with PATH for your clone, as long as no
// version is tagged:
//
//	version: v2.15.0
//	plugins:
//	  - module: github.com/closeguard/ws/closevet
//	    import: github.com/closeguard/ws/closevet/plugin
//	    path: PATH/closevet
//	  - module: github.com/closeguard/ws
//	    import: github.com/closeguard/ws/closeguard
//	    path: PATH
//
// and the .golangci.yml turns it on:
//
//	linters:
//	  enable: [closevet]
//	  settings:
//	    custom:
//	      closevet:
//	        type: module
package plugin

import (
	"github.com/golangci/plugin-module-register/register"
	"golang.org/x/tools/go/analysis"

	"github.com/closeguard/ws/closevet/check"
)

func init() {
	register.Plugin("closevet", func(any) (register.LinterPlugin, error) { return linter{}, nil })
}

// linter is closevet as golangci-lint sees it. It has no settings.
type linter struct{}

func (linter) BuildAnalyzers() ([]*analysis.Analyzer, error) { return check.All(), nil }

func (linter) GetLoadMode() string { return register.LoadModeTypesInfo }
