package faults

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/closeguard/ws/integration_test/need"
	"github.com/closeguard/ws/integration_test/rawpeer"
)

// A namespace is a network of its own, in which packets can be dropped without
// harm to anything else. It has nothing but a loopback interface.
type namespace struct{ file *os.File }

// rules drop what goes to and from the ports in two sets. What is lost is counted
// and not drawn, so that no packet is lost time after time.
const rules = `
add table inet faults
add set inet faults partitioned { type inet_service; }
add set inet faults lossy { type inet_service; }
add chain inet faults in { type filter hook input priority 0; }
add rule inet faults in tcp dport @partitioned drop
add rule inet faults in tcp sport @partitioned drop
add rule inet faults in tcp dport @lossy numgen inc mod 10 < 3 drop
add rule inet faults in tcp sport @lossy numgen inc mod 10 < 3 drop
`

// newNamespace makes a namespace for the test. It needs root.
func newNamespace(t *testing.T) *namespace {
	t.Helper()
	ns, err := makeNamespace()
	if err != nil && os.Geteuid() != 0 {
		err = fmt.Errorf("needs root: %w", err)
	}
	need.Met(t, err)
	t.Cleanup(func() { ns.file.Close() })
	return ns
}

func makeNamespace() (*namespace, error) {
	ns := new(namespace)
	err := onThread(func() (err error) {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("a new network namespace: %w", err)
		}
		ns.file, err = os.Open(fmt.Sprintf("/proc/self/task/%d/ns/net", unix.Gettid()))
		return err
	})
	if err != nil {
		return nil, err
	}
	err = ns.run("", "ip", "link", "set", "lo", "up")
	if err == nil {
		err = ns.run(rules, "nft", "-f", "-")
	}
	if err == nil {
		err = ns.run("", "ss", "-K", "dst", "127.0.0.1", "dport", "=", "1") // kills nothing: is it there?
	}
	if err != nil {
		ns.file.Close()
		return nil, err
	}
	return ns, nil
}

// onThread runs f on a thread of its own, which ends with it.
func onThread(f func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // never unlocked: nobody else must get it
		done <- f()
	}()
	return <-done
}

// enter runs f inside the namespace. Sockets that it opens stay there.
func (ns *namespace) enter(f func() error) error {
	return onThread(func() error {
		if err := unix.Setns(int(ns.file.Fd()), unix.CLONE_NEWNET); err != nil {
			return err
		}
		return f()
	})
}

// run runs a program inside the namespace.
func (ns *namespace) run(input, name string, args ...string) error {
	return ns.enter(func() error {
		cmd := exec.Command(name, args...)
		cmd.Stdin = strings.NewReader(input)
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w: %s", strings.Join(cmd.Args, " "), err, bytes.TrimSpace(out))
		}
		return nil
	})
}

func (ns *namespace) listen() (l net.Listener, err error) {
	err = ns.enter(func() (err error) {
		l, err = net.Listen("tcp", "127.0.0.1:0")
		return err
	})
	return l, err
}

// A cable is a line inside a namespace, to one listener.
type cable struct {
	ns   *namespace
	addr string
}

func (c *cable) connect(path string, opts ...rawpeer.Option) (p *rawpeer.Peer, err error) {
	err = c.ns.enter(func() (err error) {
		p, err = rawpeer.Connect("ws://"+c.addr+path, opts...)
		return err
	})
	return p, err
}

func (c *cable) close() {}

func (c *cable) port() string {
	_, port, _ := net.SplitHostPort(c.addr)
	return port
}

// cut drops everything, lose 30 packets of 100, until mended.
func (c *cable) cut() error  { return c.element("add", "partitioned") }
func (c *cable) lose() error { return c.element("add", "lossy") }

func (c *cable) mend() error { return c.element("delete", "partitioned") }
func (c *cable) calm() error { return c.element("delete", "lossy") }

func (c *cable) element(what, set string) error {
	return c.ns.run(fmt.Sprintf("%s element inet faults %s { %s }", what, set, c.port()), "nft", "-f", "-")
}

// killTheirs kills the peer's socket, which resets the server's; killOurs kills
// the server's.
func (c *cable) killTheirs(client net.Addr) error { return c.kill("dport", "sport", client) }
func (c *cable) killOurs(client net.Addr) error   { return c.kill("sport", "dport", client) }

func (c *cable) kill(server, peer string, client net.Addr) error {
	_, port, err := net.SplitHostPort(client.String())
	if err != nil {
		return err
	}
	return c.ns.run("", "ss", "-K", "-t", "dst", "127.0.0.1", server, "=", c.port(), peer, "=", port)
}
