// Package peers runs WebSocket clients that nobody here wrote, for the integration tests
// and the benchmarks: browsers, packages of npm, Python and the JDK, each in one process
// that takes any number of jobs. Some of them serve, too.
package peers

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"
)

// A MissingError says what a client or a server needs and the machine doesn't have.
type MissingError struct{ Peer, What string }

func (e *MissingError) Error() string {
	return fmt.Sprintf("peers: %s: %s is not installed: make setup", e.Peer, e.What)
}

// A Client is a process that runs jobs, any number at a time. Its methods may
// be called from several goroutines.
type Client struct {
	name  string
	kill  func()        // with SIGKILL
	end   func()        // see Close
	jobs  chan []byte   // one line each, taken by whoever hands them on
	ended chan struct{} // closed when the process has ended

	mu      sync.Mutex
	next    int
	waiting map[int]chan<- Result
}

func newClient(name string) *Client {
	return &Client{name: name, jobs: make(chan []byte), ended: make(chan struct{}), waiting: make(map[int]chan<- Result)}
}

// Run has the client do one job and returns what it saw. The error is about
// the client's process or ctx, never about the connection.
func (c *Client) Run(ctx context.Context, job Job) (Result, error) {
	if job.Timeout == 0 {
		job.Timeout = 30 * time.Second
	}
	limit := job.Timeout + 30*time.Second // it may still be starting
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("peers: client %s: no result within %v", c.name, limit))
	defer cancel()
	result := make(chan Result, 1)
	id := c.expect(result)
	defer c.forget(id)
	line, err := json.Marshal(struct {
		Job
		ID        int   `json:"id"`
		StallMS   int64 `json:"stallMs"`
		TimeoutMS int64 `json:"timeoutMs"`
	}{job, id, job.Stall.Milliseconds(), job.Timeout.Milliseconds()})
	if err != nil {
		return Result{}, fmt.Errorf("peers: client %s: %w", c.name, err)
	}
	select {
	case c.jobs <- line:
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

// Close ends the client's process, of a browser all of them, and removes what it left.
func (c *Client) Close() { c.end() }

// Kill kills the client's process with SIGKILL, of a browser's the first one; of
// "webkit" all, with SIGTERM. Jobs that run then return an error.
func (c *Client) Kill() {
	c.kill()
	<-c.ended
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

// answer hands a result to whoever waits for it.
func (c *Client) answer(line []byte) error {
	var answer struct {
		ID int `json:"id"`
		Result
	}
	if err := json.Unmarshal(line, &answer); err != nil {
		return fmt.Errorf("peers: client %s: %w: %q", c.name, err, line)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if result := c.waiting[answer.ID]; result != nil {
		delete(c.waiting, answer.ID)
		result <- answer.Result
	}
	return nil
}
