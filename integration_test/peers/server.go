package peers

import (
	"bufio"
	"fmt"
	"slices"
	"strings"
)

// Serve starts a server of the library of that name, "ws", "websockets" or "aiohttp", and
// returns its address. It takes messages of at most 64 KiB and echoes them; that of "ws"
// closes at /flood with 1008 after 16 messages and echoes none. The error is a
// *MissingError if something isn't installed.
func Serve(name string) (addr string, stop func(), err error) {
	program, args := "", []string{"servers/ws.mjs"}
	if name == "ws" {
		program, err = Node(name)
	} else {
		program, err = python(name)
		args = slices.Concat(pythonFlags, []string{"servers/" + name + "_server.py"})
	}
	if err != nil {
		return "", nil, err
	}
	cmd, stdin, stdout, err := piped(program, args)
	if err != nil {
		return "", nil, fmt.Errorf("peers: server %s: %w", name, err)
	}
	stop = func() {
		stdin.Close()
		_ = cmd.Process.Kill() // it may have ended
		_ = cmd.Wait()         // it was killed
	}
	port, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		stop()
		return "", nil, fmt.Errorf("peers: server %s told no port: %w", name, err)
	}
	return "127.0.0.1:" + strings.TrimSpace(port), stop, nil
}
