package proxies

import (
	"syscall"
	"testing"
)

// modules is where Debian puts apache's modules.
const modules = "/usr/lib/apache2/modules"

// Since 2.4.47 mod_proxy_http does what mod_proxy_wstunnel is asked for. Its
// limit for idle connections is the longer one of Timeout and ProxyTimeout.
var apache = proxy{
	name:    "apache",
	program: []string{"apache2", "/usr/sbin/apache2"},
	args:    func(config, _ string) []string { return []string{"-DFOREGROUND", "-f", config} },
	reload:  func(t *testing.T, r *running) { r.signal(t, syscall.SIGUSR1) },
	stop:    syscall.SIGWINCH,
	end:     syscall.SIGTERM,
	config: `ServerRoot {{.Dir}}
DefaultRuntimeDir {{.Dir}}
PidFile {{.Dir}}/pid
ErrorLog {{.Dir}}/proxy.log
ServerName localhost
Listen {{.Front}}
LoadModule mpm_event_module {{.Modules}}/mod_mpm_event.so
LoadModule authz_core_module {{.Modules}}/mod_authz_core.so
LoadModule proxy_module {{.Modules}}/mod_proxy.so
LoadModule proxy_http_module {{.Modules}}/mod_proxy_http.so
LoadModule proxy_wstunnel_module {{.Modules}}/mod_proxy_wstunnel.so
User www-data
Group www-data
StartServers 1
ServerLimit 4
ThreadLimit 128
ThreadsPerChild 128
MaxRequestWorkers 512
GracefulShutdownTimeout 1
Timeout {{.Idle}}
ProxyTimeout {{.Idle}}
ErrorDocument 404 {{.Version}}
ProxyPass /version !
ProxyPass / ws://{{.Backend}}/
`,
}
