package clients

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
)

func (c *Client) node(dir, pkg string) error {
	node, err := look("node")
	if err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Join(packages(), "node_modules", pkg)); err != nil {
		return fmt.Errorf("npm package %s: %w", pkg, ErrMissing)
	}
	return c.process(exec.Command(node, filepath.Join(dir, "scripts/node.mjs"), packages(), pkg)) // our own script
}

func (c *Client) python(dir string) error {
	// The first python3 of PATH need not be the one that Debian's packages are for.
	for _, name := range []string{"/usr/bin/python3", "python3"} {
		python, err := exec.LookPath(name)
		if err == nil && exec.Command(python, "-c", "import websockets").Run() == nil { // one of two names
			return c.process(exec.Command(python, filepath.Join(dir, "scripts/client.py"))) // our own script
		}
	}
	return fmt.Errorf("websockets of Python: %w", ErrMissing)
}

func (c *Client) java(dir string) error {
	java, err := look("java")
	if err != nil {
		return err
	}
	return c.process(exec.Command(java, filepath.Join(dir, "scripts/Client.java"))) // our own script
}

// process starts a client that reads jobs from standard input, a JSON object a
// line, and writes results to standard output.
func (c *Client) process(cmd *exec.Cmd) error {
	in, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		return err
	}
	var writing sync.Mutex
	c.send = func(j Job) error {
		line, err := json.Marshal(j)
		if err != nil {
			return err
		}
		writing.Lock()
		defer writing.Unlock()
		_, err = in.Write(append(line, '\n'))
		return err
	}
	c.close = func() {
		in.Close()
		cmd.Process.Kill() //nolint:errcheck // it may have ended
		<-c.dead
	}
	go func() {
		defer close(c.dead)
		defer cmd.Wait() //nolint:errcheck // jobs fail, that is how one learns of it
		for lines := bufio.NewScanner(out); lines.Scan(); {
			var r Result
			if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
				fmt.Fprintf(os.Stderr, "client %s: %v: %q\n", c.Name, err, lines.Text())
				continue
			}
			c.answer(r)
		}
	}()
	return nil
}

// WSServer starts npm's ws as a server and returns its URL, without a path.
func WSServer() (url string, closer func(), err error) {
	node, err := look("node")
	if err != nil {
		return "", nil, err
	}
	dir, err := unpack()
	if err != nil {
		return "", nil, err
	}
	cmd := exec.Command(node, filepath.Join(dir, "scripts/server.mjs"), packages()) // our own script
	in, err := cmd.StdinPipe()
	if err != nil {
		return "", nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return "", nil, err
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		return "", nil, err
	}
	closer = func() {
		in.Close()
		io.Copy(io.Discard, out) //nolint:errcheck // it ends by itself
		cmd.Wait()               //nolint:errcheck // as above
		os.RemoveAll(dir)
	}
	port, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		closer()
		return "", nil, fmt.Errorf("npm's ws as a server: %w", err)
	}
	return "ws://127.0.0.1:" + strings.TrimSpace(port), closer, nil
}
