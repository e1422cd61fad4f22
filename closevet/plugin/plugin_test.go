package plugin_test

import (
	"testing"

	"github.com/golangci/plugin-module-register/register"

	"github.com/closeguard/ws/closevet/check"
	_ "github.com/closeguard/ws/closevet/plugin"
)

// golangci-lint finds the plugin by the name in .golangci.yml.
func TestPlugin(t *testing.T) {
	newPlugin, err := register.GetPlugin("closevet")
	if err != nil {
		t.Fatal(err)
	}
	p, err := newPlugin(nil)
	if err != nil {
		t.Fatal(err)
	}
	analyzers, err := p.BuildAnalyzers()
	if err != nil || len(analyzers) != len(check.All()) || p.GetLoadMode() != register.LoadModeTypesInfo {
		t.Errorf("%d analyzers, load mode %s, %v", len(analyzers), p.GetLoadMode(), err)
	}
}
