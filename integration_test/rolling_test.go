package integration_test

import (
	"bufio"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/closeguard/ws/integration_test/need"
	"github.com/closeguard/ws/integration_test/peers"
)

// Two servers behind haproxy are restarted one after the other under load, as a
// deploy does it. Every connection that had opened ends with 1001 at its
// client, which comes back and is served within 5 s. Where neither the server
// waits nor the proxy tries another one, attempts are refused meanwhile.
func TestRollingRestart(t *testing.T) {
	haproxy := need.Program(t, "haproxy", "/usr/sbin/haproxy")
	node, err := peers.Node("ws")
	need.Met(t, err)
	echo := buildEcho(t)
	t.Run("the proxy notices in time", func(t *testing.T) {
		refused := rollingRestart(t, haproxy, node, echo, "check inter 50ms fall 1 rise 1", "-drain-wait", "1s", "-drain-window", "2s")
		if len(refused) > 0 {
			t.Errorf("refused attempts: %v", refused)
		}
	})
	t.Run("the proxy notices too late", func(t *testing.T) {
		// It looks after a server only when it couldn't reach it.
		const late = "check inter 1h fastinter 50ms downinter 50ms rise 1 observe layer4 error-limit 1 on-error mark-down"
		refused := rollingRestart(t, haproxy, node, echo, late, "-drain-window", "500ms")
		if len(refused) == 0 {
			t.Error("no attempt was refused")
		}
	})
}

// rollingRestart returns the attempts that were refused, by what was told.
func rollingRestart(t *testing.T, haproxy, node, echo, check string, flags ...string) (refused map[string]int) {
	const clients = 200
	servers := []*program{startServer(t, echo, need.FreeAddr(t), flags), startServer(t, echo, need.FreeAddr(t), flags)}
	front := need.FreeAddr(t)
	proxy := startProxy(t, haproxy, front, check, servers)
	args := []string{"peers/rolling.mjs", fmt.Sprint(clients)}
	for _, path := range []string{"/gorilla", "/coder", "/plain/gorilla", "/plain/coder"} {
		args = append(args, "ws://"+front+path)
	}
	load := exec.Command(node, args...)
	stdin, stdout := startProgram(t, load)
	if line, err := stdout.ReadString('\n'); line != "open\n" {
		t.Fatalf("the clients say %q, %v", line, err)
	}

	for i, s := range servers {
		s.stop(t)
		proxy.await(t, i, "DOWN")
		servers[i] = startServer(t, echo, s.addr, flags)
		proxy.await(t, i, "UP")
	}

	stdin.Close()
	var seen struct {
		Opened, Echoes, Away int
		Ends, Refused        map[string]int
	}
	if err := json.NewDecoder(stdout).Decode(&seen); err != nil {
		t.Fatal(err)
	}
	if n := seen.Ends["1001"]; len(seen.Ends) != 1 || n < clients {
		t.Errorf("connections ended with %v, want all with 1001, at least %d", seen.Ends, clients)
	}
	if n := seen.Opened - seen.Ends["1001"]; n != clients {
		t.Errorf("%d connections are open at the end, want %d: %+v", n, clients, seen)
	}
	if seen.Away > 5000 {
		t.Errorf("a client was without a connection for %d ms", seen.Away)
	}
	t.Logf("%d connections, %d messages; ends %v, refused attempts %v, a client was away for %d ms at most",
		seen.Opened, seen.Echoes, seen.Ends, seen.Refused, seen.Away)
	return seen.Refused
}

// program is a running server.
type program struct {
	cmd  *exec.Cmd
	addr string
	log  <-chan string // what it wrote, when it has ended
}

const grace = 10 * time.Second

func startServer(t *testing.T, path, addr string, flags []string) *program {
	t.Helper()
	cmd := exec.Command(path, append([]string{"-addr", addr, "-grace", grace.String()}, flags...)...)
	_, stdout := startProgram(t, cmd)
	if line, err := stdout.ReadString('\n'); !strings.Contains(line, `"listening"`) {
		t.Fatalf("the server says %q, %v", line, err)
	}
	log := make(chan string, 1)
	go func() {
		all, _ := io.ReadAll(stdout)
		log <- string(all)
	}()
	return &program{cmd, addr, log}
}

// stop ends the server as a deploy does, and waits for its end.
func (p *program) stop(t *testing.T) {
	t.Helper()
	began := time.Now()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	log := <-p.log
	if err := p.cmd.Wait(); err != nil {
		t.Errorf("the server ends with %v", err)
	}
	if took := time.Since(began); took > grace {
		t.Errorf("the server took %v", took)
	}
	last := log[strings.LastIndex(strings.TrimSpace(log), "\n")+1:]
	if !strings.Contains(last, `"msg":"shut down"`) || !strings.Contains(last, " 0 aborted") {
		t.Errorf("its last line is %s", last)
	}
}

// startProgram starts a program that ends with the test at the latest.
func startProgram(t *testing.T, cmd *exec.Cmd) (io.WriteCloser, *bufio.Reader) {
	t.Helper()
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = struct{ io.Writer }{os.Stderr} // node would make the pipe itself non-blocking, which go test shares
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stdin.Close()
		cmd.Process.Kill()
		cmd.Wait()
	})
	return stdin, bufio.NewReader(stdout)
}

const proxyConfig = `global
  stats socket %[1]s/haproxy.sock mode 600 level admin
defaults
  mode http
  timeout connect 1s
  timeout client 60s
  timeout server 60s
  timeout tunnel 60s
  timeout check 1s
  retries 0
frontend all
  bind %[2]s
  default_backend echo
backend echo
  balance leastconn
  option httpchk GET /readyz
  default-server %[3]s
  server s0 %[4]s
  server s1 %[5]s
`

// proxy is a running haproxy.
type proxy struct{ admin string }

func startProxy(t *testing.T, haproxy, front, check string, servers []*program) *proxy {
	t.Helper()
	dir := t.TempDir()
	config := filepath.Join(dir, "haproxy.cfg")
	text := fmt.Sprintf(proxyConfig, dir, front, check, servers[0].addr, servers[1].addr)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	startProgram(t, exec.Command(haproxy, "-q", "-db", "-f", config))
	p := &proxy{filepath.Join(dir, "haproxy.sock")}
	for i := range servers {
		p.await(t, i, "UP")
	}
	return p
}

// await waits until the proxy takes a server for UP, and sends requests to it, or
// for DOWN.
func (p *proxy) await(t *testing.T, server int, status string) {
	t.Helper()
	for range 1000 {
		if strings.HasPrefix(p.status(server), status) {
			return
		}
		<-time.After(10 * time.Millisecond)
	}
	t.Fatalf("haproxy says of server %d: %q, want %s", server, p.status(server), status)
}

// status is what the proxy says of a server, such as UP.
func (p *proxy) status(server int) string {
	c, err := net.Dial("unix", p.admin)
	if err != nil {
		return err.Error()
	}
	defer c.Close()
	io.WriteString(c, "show stat\n")
	rows, err := csv.NewReader(c).ReadAll()
	if err != nil {
		return err.Error()
	}
	at := slices.Index(rows[0], "status")
	for _, row := range rows {
		if row[1] == fmt.Sprint("s", server) {
			return row[at]
		}
	}
	return "unknown"
}
