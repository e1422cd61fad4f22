package peers

import (
	"bufio"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// Serve starts a server that echoes, of the library of that name, one of "ws",
// "websockets" and "aiohttp", and returns its address. It ends with the test. Where the
// library is not installed it is as with Start.
func Serve(tb testing.TB, name string) string {
	tb.Helper()
	c := newClient(name)
	var program string
	var args []string
	var err error
	if name == "ws" {
		program, err = c.lookNode()
		args = []string{"servers/ws.mjs"}
	} else {
		program, err = c.lookPython()
		args = slices.Concat(pythonFlags, []string{"servers/" + name + "_server.py"})
	}
	installed(tb)(c, err)
	cmd := exec.Command(program, args...)
	cmd.Dir = folder()
	stdin, err := cmd.StdinPipe()
	if err != nil {
		tb.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		tb.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		stdin.Close()
		_ = cmd.Process.Kill() // it may have ended
		_ = cmd.Wait()         // it was killed
	})
	port, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		tb.Fatal(fmt.Errorf("peers: server %s told no port: %w", name, err))
	}
	return "127.0.0.1:" + strings.TrimSpace(port)
}
