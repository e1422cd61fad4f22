package main

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// start runs the program and returns its URL, what it logs, and how to end it:
// the end returns when it has.
func start(t *testing.T, args ...string) (url string, next func() (line, bool), stop context.CancelFunc, ended <-chan error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	r, w := io.Pipe()
	result := make(chan error, 1)
	go func() {
		err := run(ctx, append([]string{"-addr", "127.0.0.1:0"}, args...), w)
		w.Close()
		result <- err
	}()
	next = logLines(t, r)
	first, _ := next()
	return strings.TrimSuffix(first.URL, "/"), next, cancel, result
}

func status(t *testing.T, url string) int {
	t.Helper()
	r, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	r.Body.Close()
	return r.StatusCode
}

// From the signal on it isn't ready, but serves on for the wait: connections
// stay open, and who hasn't noticed yet gets in. Then all are closed.
func TestNotReadyBeforeItShutsDown(t *testing.T) {
	const wait = 300 * time.Millisecond
	url, next, stop, ended := start(t, "-drain-wait", wait.String(), "-drain-window", "10ms")
	if got := status(t, url+"/readyz"); got != http.StatusOK {
		t.Errorf("/readyz: %d", got)
	}
	before := dial(t, url, "/gorilla")
	began := time.Now()
	stop()
	if l, _ := next(); l.Msg != "shutting down" {
		t.Errorf("log: %+v", l)
	}
	if got := status(t, url+"/readyz"); got != http.StatusServiceUnavailable {
		t.Errorf("/readyz: %d", got)
	}
	late := dial(t, url, "/coder")
	go func() { // so that the program can log
		for _, ok := next(); ok; _, ok = next() {
		}
	}()
	for _, p := range []*peer{before, late} {
		p.send(text, "still there?")
		if got := p.next(); got != "text still there?" {
			t.Errorf("during the wait: %s", got)
		}
	}
	for _, p := range []*peer{before, late} {
		if got := p.next(); got != "close 1001 server shutting down" {
			t.Error(got)
		}
	}
	if took := time.Since(began); took < wait {
		t.Errorf("closed after %v, want %v", took, wait)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// A peer that never answers costs the grace and no more.
func TestTheGraceEnds(t *testing.T) {
	const grace = 500 * time.Millisecond
	url, next, stop, ended := start(t, "-grace", grace.String())
	dial(t, url, "/plain/gorilla") // never reads
	began := time.Now()
	stop()
	var last line
	for l, ok := next(); ok; l, ok = next() {
		last = l
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if took := time.Since(began); took < grace || took > 10*grace {
		t.Errorf("it took %v, want %v", took, grace)
	}
	if last.Msg != "shut down" || last.Level != "warn" || !strings.Contains(last.Report, ", 1 aborted") {
		t.Errorf("last line: %+v", last)
	}
}
