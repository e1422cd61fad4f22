// Package proxies puts nginx, haproxy, apache and caddy in front of guarded
// servers: what passes through them, how each of them ends a connection by
// itself, and whether the server's event tells it.
package proxies
