package proxies

import (
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
)

var caddy = proxy{
	name:    "caddy",
	program: []string{"caddy"},
	args: func(config, _ string) []string {
		return []string{"run", "--adapter", "caddyfile", "--config", config}
	},
	reload: reloadCaddy,
	stop:   syscall.SIGTERM,
	end:    syscall.SIGQUIT,
	config: `{
	admin unix/{{.Dir}}/admin
	auto_https off
	grace_period 1s
}
http://{{.Front}} {
	bind 127.0.0.1
	respond /version {{.Version}}
	reverse_proxy {{.Backend}}
}
`,
}

// reloadCaddy tells caddy through its socket to read the file again.
func reloadCaddy(t *testing.T, r *running) {
	t.Helper()
	reload := exec.Command(r.cmd.Path, "reload", "--adapter", "caddyfile", "--config", r.file, "--address", "unix/"+filepath.Join(r.Dir, "admin"))
	reload.Env = r.cmd.Env
	if out, err := reload.CombinedOutput(); err != nil {
		t.Fatalf("caddy reload: %v\n%s", err, out)
	}
}
