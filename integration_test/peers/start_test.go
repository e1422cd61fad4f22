package peers

import (
	"errors"
	"testing"

	"github.com/closeguard/ws/integration_test/need"
)

func TestStartNamesWhatIsMissing(t *testing.T) {
	_, err := Node("ws")
	need.Met(t, err)
	for _, tt := range []struct {
		name  string
		start func(*Client) error
		want  string
	}{
		{"package of npm", func(c *Client) error { return c.node("ws.mjs") }, "npm package nobody"},
		{"package of Python", func(c *Client) error { return c.python("jobs.py") }, "Python package nobody"},
		{"program", func(c *Client) error { _, err := look(c.name, "nobody", "nothing"); return err }, "nobody"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := tt.start(newClient("nobody"))
			var missing *MissingError
			if !errors.As(err, &missing) || missing.Peer != "nobody" || missing.What != tt.want {
				t.Errorf("got %v, want %s missing", err, tt.want)
			}
		})
	}
}
