package need_test

import (
	"errors"
	"testing"

	"github.com/closeguard/ws/integration_test/need"
)

// A verdict is what a test hears of a need. It doesn't end the goroutine.
type verdict struct {
	testing.TB
	said string
}

func (v *verdict) Helper()      {}
func (v *verdict) Skip(...any)  { v.said = "skipped" }
func (v *verdict) Fatal(...any) { v.said = "failed" }

func TestMet(t *testing.T) {
	for _, tt := range []struct {
		name    string
		ci      string
		missing error
		want    string
	}{
		{"nothing is missing", "", nil, ""},
		{"nothing is missing in CI", "true", nil, ""},
		{"something is missing", "", errors.New("no root"), "skipped"},
		{"something is missing in CI", "true", errors.New("no root"), "failed"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Setenv("CI", tt.ci)
			v := new(verdict)
			need.Met(v, tt.missing)
			if v.said != tt.want {
				t.Errorf("%q, want %q", v.said, tt.want)
			}
		})
	}
}

func TestProgram(t *testing.T) {
	t.Setenv("CI", "")
	v := new(verdict)
	if path := need.Program(v, "no such program", "go"); path == "" || v.said != "" {
		t.Errorf("found %q, %s", path, v.said)
	}
	if path := need.Program(v, "no such program"); path != "" || v.said != "skipped" {
		t.Errorf("found %q, %s", path, v.said)
	}
}
