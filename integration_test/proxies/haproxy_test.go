package proxies

import (
	"io"
	"net"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

var haproxy = proxy{
	name:    "haproxy",
	program: []string{"haproxy", "/usr/sbin/haproxy"},
	args: func(config, dir string) []string {
		return []string{"-W", "-S", filepath.Join(dir, "master"), "-f", config}
	},
	ready:  haproxyMasterRuns,
	reload: func(t *testing.T, r *running) { r.signal(t, syscall.SIGUSR2) },
	stop:   syscall.SIGUSR1,
	end:    syscall.SIGTERM,
	config: `global
  hard-stop-after 1s
  maxconn 512
defaults
  mode http
  timeout connect 5s
  timeout client {{.Idle}}s
  timeout server {{.Idle}}s
  timeout tunnel {{.Idle}}s
frontend all
  bind {{.Front}}
  http-request return status 200 content-type text/plain string {{.Version}} if { path /version }
  default_backend site
backend site
  server s {{.Backend}}
`,
}

// haproxyMasterRuns asks the master, which starts itself once more when its
// worker runs already, and loses a signal that comes before.
func haproxyMasterRuns(r *running) bool {
	c, err := net.Dial("unix", filepath.Join(r.Dir, "master"))
	if err != nil {
		return false
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(200 * time.Millisecond)) // what comes too early is never answered
	io.WriteString(c, "show proc\n")
	said, _ := io.ReadAll(c)
	return strings.Contains(string(said), "worker")
}
