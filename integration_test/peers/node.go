// Package peers runs real WebSocket clients for the integration tests: the
// npm packages ws and undici, each in one Node.js process that takes the jobs
// of a whole test binary.
package peers

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"
)

// Node returns the client "ws" or "undici". It is started at its first use
// and ends with the test binary. Where Node.js or the package is missing the
// test is skipped; in CI, where the environment has CI set, it fails.
func Node(tb testing.TB, name string) *Client {
	tb.Helper()
	start, ok := clients[name]
	if !ok {
		tb.Fatalf("peers: %q is not a client: ws, undici", name)
	}
	c, err := start()
	if missing := (*missingError)(nil); errors.As(err, &missing) && os.Getenv("CI") == "" {
		tb.Skip(err)
	}
	if err != nil {
		tb.Fatal(err)
	}
	return c
}

var clients = map[string]func() (*Client, error){
	"ws":     sync.OnceValues(func() (*Client, error) { return start("ws") }),
	"undici": sync.OnceValues(func() (*Client, error) { return start("undici") }),
}

type missingError struct{ client, what string }

func (e *missingError) Error() string {
	return fmt.Sprintf("peers: client %s: %s is not installed: make setup", e.client, e.what)
}

// A Client is a process that runs jobs, any number at a time. Its methods may
// be called from several goroutines.
type Client struct {
	name  string
	jobs  chan<- []byte
	ended chan struct{} // closed when the process's output has ended

	mu      sync.Mutex
	next    int
	waiting map[int]chan<- Result
}

func start(name string) (*Client, error) {
	_, file, _, _ := runtime.Caller(0)
	dir := filepath.Dir(file)
	node, err := exec.LookPath("node")
	if err != nil {
		return nil, &missingError{name, "node"}
	}
	if _, err := os.Stat(filepath.Join(dir, "node_modules", name)); err != nil {
		return nil, &missingError{name, "npm package " + name}
	}
	cmd := exec.Command(node, name+".mjs")
	cmd.Dir = dir
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("peers: client %s: %w", name, err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("peers: client %s: %w", name, err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("peers: client %s: %w", name, err)
	}
	jobs := make(chan []byte)
	c := &Client{name: name, jobs: jobs, ended: make(chan struct{}), waiting: make(map[int]chan<- Result)}
	go c.write(jobs, stdin)
	go func() {
		c.read(stdout)
		_ = cmd.Wait() // its jobs fail, which is how tests learn of it
	}()
	return c, nil
}

// Run has the client do one job and returns what it saw. The error is about
// the client's process or ctx, never about the connection.
func (c *Client) Run(ctx context.Context, job Job) (Result, error) {
	if job.Timeout == 0 {
		job.Timeout = 30 * time.Second
	}
	result := make(chan Result, 1)
	id := c.expect(result)
	defer c.forget(id)
	line, err := json.Marshal(struct {
		Job
		ID        int   `json:"id"`
		TimeoutMS int64 `json:"timeoutMs"`
	}{job, id, job.Timeout.Milliseconds()})
	if err != nil {
		return Result{}, fmt.Errorf("peers: client %s: %w", c.name, err)
	}
	select {
	case c.jobs <- append(line, '\n'):
	case <-c.ended:
		return Result{}, c.dead()
	case <-ctx.Done():
		return Result{}, context.Cause(ctx)
	}
	select {
	case r := <-result:
		return r, nil
	case <-c.ended:
		return Result{}, c.dead()
	case <-ctx.Done():
		return Result{}, context.Cause(ctx)
	}
}

func (c *Client) dead() error {
	return fmt.Errorf("peers: client %s: its process has ended", c.name)
}

func (c *Client) expect(result chan<- Result) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.next++
	c.waiting[c.next] = result
	return c.next
}

func (c *Client) forget(id int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.waiting, id)
}

func (c *Client) write(jobs <-chan []byte, stdin io.WriteCloser) {
	defer stdin.Close()
	for {
		select {
		case line := <-jobs:
			if _, err := stdin.Write(line); err != nil {
				return
			}
		case <-c.ended:
			return
		}
	}
}

func (c *Client) read(stdout io.Reader) {
	defer close(c.ended)
	for lines := bufio.NewReader(stdout); ; {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			return
		}
		var answer struct {
			ID int `json:"id"`
			Result
		}
		if err := json.Unmarshal(line, &answer); err != nil {
			fmt.Fprintf(os.Stderr, "peers: client %s: %v: %q\n", c.name, err, line)
			return
		}
		c.mu.Lock()
		result := c.waiting[answer.ID]
		c.mu.Unlock()
		if result != nil {
			result <- answer.Result
		}
	}
}
