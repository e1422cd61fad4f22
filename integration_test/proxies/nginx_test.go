package proxies

import (
	"syscall"
	"testing"
)

var nginx = proxy{
	name:    "nginx",
	program: []string{"nginx", "/usr/sbin/nginx"},
	args:    func(config, dir string) []string { return []string{"-e", "stderr", "-p", dir, "-c", config} },
	reload:  func(t *testing.T, r *running) { r.signal(t, syscall.SIGHUP) },
	stop:    syscall.SIGQUIT,
	end:     syscall.SIGTERM,
	config: `daemon off;
pid {{.Dir}}/pid;
error_log stderr;
worker_processes 1;
worker_shutdown_timeout 1s;
events {
  worker_connections 512;
}
http {
  access_log off;
  client_body_temp_path {{.Dir}}/body;
  proxy_temp_path {{.Dir}}/proxy;
  fastcgi_temp_path {{.Dir}}/fastcgi;
  uwsgi_temp_path {{.Dir}}/uwsgi;
  scgi_temp_path {{.Dir}}/scgi;
  server {
    listen {{.Front}};
    location = /version {
      return 200 {{.Version}};
    }
    location / {
      proxy_pass http://{{.Backend}};
      proxy_http_version 1.1;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection "upgrade";
      proxy_read_timeout {{.Idle}}s;
      proxy_send_timeout {{.Idle}}s;
    }
  }
}
`,
}
