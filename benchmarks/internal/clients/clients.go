// Package clients runs WebSocket clients that nobody here wrote: browsers, and
// libraries of other languages, each in a process of its own.
package clients

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
)

// Job is one connection of a client.
type Job struct {
	ID        int    `json:"id"`
	Kind      string `json:"kind"` // see scripts/jobs.mjs: upload, flood, text, stall
	URL       string `json:"url"`
	Size      int    `json:"size"`    // upload: bytes
	StallMS   int    `json:"stallMs"` // stall: how long nothing is read
	TimeoutMS int    `json:"timeoutMs"`
}

// Result is what the client saw.
type Result struct {
	ID     int    `json:"id"`
	Code   int    `json:"code"`
	Reason string `json:"reason"`
	Clean  bool   `json:"clean"` // the client's own word: wasClean in a browser
	Error  string `json:"error"`
}

// Client takes jobs, any number at a time.
type Client struct {
	Name string

	// Unclean says that the client calls an end unclean while something that
	// it wanted to send is still in its own buffer.
	Unclean bool

	send  func(Job) error
	close func()

	mu      sync.Mutex
	last    int
	waiting map[int]chan Result
	dead    chan struct{}
}

// ErrMissing says that something a client needs is not installed.
var ErrMissing = errors.New("not installed")

//go:embed scripts
var scripts embed.FS

var starts = []struct {
	name  string
	start func(*Client, string) error
}{
	{"ws", func(c *Client, dir string) error { return c.node(dir, "ws") }},
	{"undici", func(c *Client, dir string) error { return c.node(dir, "undici") }},
	{"websockets", (*Client).python},
	{"JDK", (*Client).java},
	{"Chromium", (*Client).chromium},
	{"Firefox", (*Client).firefox},
}

// Start starts all clients. Of those that can't be started the error tells
// why; the others are there.
func Start() ([]*Client, error) {
	var clients []*Client
	var errs []error
	for _, s := range starts {
		dir, err := unpack()
		if err == nil {
			c := &Client{Name: s.name, waiting: make(map[int]chan Result), dead: make(chan struct{})}
			err = s.start(c, dir)
			if err == nil {
				end := c.close
				c.close = func() { end(); os.RemoveAll(dir) }
				clients = append(clients, c)
				continue
			}
			os.RemoveAll(dir)
		}
		errs = append(errs, fmt.Errorf("client %s: %w", s.name, err))
	}
	return clients, errors.Join(errs...)
}

// unpack writes the scripts into a new folder, which is a client's own.
func unpack() (string, error) {
	dir, err := os.MkdirTemp("", "closeguard-client-")
	if err != nil {
		return "", err
	}
	return dir, os.CopyFS(dir, scripts)
}

// packages is the folder with the packages of npm's that the tests use, too.
func packages() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Join(filepath.Dir(file), "../../../integration_test/peers")
}

// look finds the first program that is installed.
func look(names ...string) (string, error) {
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("%s: %w", names[0], ErrMissing)
}

// Run has the client do a job.
func (c *Client) Run(ctx context.Context, job Job) (Result, error) {
	result := make(chan Result, 1)
	c.mu.Lock()
	c.last++
	job.ID = c.last
	c.waiting[job.ID] = result
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.waiting, job.ID)
	}()
	if err := c.send(job); err != nil {
		return Result{}, fmt.Errorf("client %s: %w", c.Name, err)
	}
	select {
	case r := <-result:
		return r, nil
	case <-c.dead:
		return Result{}, fmt.Errorf("client %s: its process has ended", c.Name)
	case <-ctx.Done():
		return Result{}, fmt.Errorf("client %s: job %d, %s: %w", c.Name, job.ID, job.Kind, context.Cause(ctx))
	}
}

// answer hands a result to whoever waits for it.
func (c *Client) answer(r Result) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if result := c.waiting[r.ID]; result != nil {
		delete(c.waiting, r.ID)
		result <- r
	}
}

// Close ends the client's process.
func (c *Client) Close() { c.close() }
