package sched

import "sync"

// A Pool does jobs on at most Size goroutines, which live as long as there is
// something to do: thousands of connections that end at one moment must not
// cost thousands of stacks. A job that ends its goroutine, by runtime.Goexit,
// takes nothing with it: another goroutine goes on.
type Pool struct {
	Size int

	mu   sync.Mutex
	busy int
	jobs []func()
}

// Do does a job as soon as there is a goroutine for it, first come, first served.
// It doesn't wait.
func (p *Pool) Do(job func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.busy == p.Size {
		p.jobs = append(p.jobs, job)
		return
	}
	p.busy++
	go p.work(job)
}

// Waiting reports whether a job waits for a goroutine.
func (p *Pool) Waiting() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.jobs) > 0
}

// Idle reports whether nothing is done and nothing waits.
func (p *Pool) Idle() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.busy == 0 && p.jobs == nil
}

func (p *Pool) work(job func()) {
	defer func() {
		if job != nil { // it has ended this goroutine
			if job = p.next(); job != nil {
				go p.work(job)
			}
		}
	}()
	for job != nil {
		job()
		job = p.next()
	}
}

// next is the job to go on with. Without one the goroutine is done.
func (p *Pool) next() func() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.jobs) == 0 {
		p.busy--
		p.jobs = nil
		return nil
	}
	job := p.jobs[0]
	p.jobs[0] = nil
	p.jobs = p.jobs[1:]
	return job
}
