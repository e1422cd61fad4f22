package closeguard

import "sync"

// crew runs jobs on at most size goroutines, which live as long as there is
// something to do: thousands of connections that end at one moment must not
// cost thousands of stacks.
type crew struct {
	size int

	mu   sync.Mutex
	busy int
	jobs []func()
}

func (c *crew) do(job func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.busy == c.size {
		c.jobs = append(c.jobs, job)
		return
	}
	c.busy++
	go c.work(job)
}

// waiting reports whether a job waits for a goroutine.
func (c *crew) waiting() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.jobs) > 0
}

func (c *crew) work(job func()) {
	for job != nil {
		job()
		job = c.next()
	}
}

func (c *crew) next() func() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.jobs) == 0 {
		c.busy--
		c.jobs = nil
		return nil
	}
	job := c.jobs[0]
	c.jobs[0] = nil
	c.jobs = c.jobs[1:]
	return job
}
