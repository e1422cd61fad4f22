package debug

import (
	"context"
	"fmt"
	"hash/maphash"
	"net/http"
	"sync"
	"time"
)

// viewers are those who are kept up to date.
type viewers struct {
	mu      sync.Mutex
	n       int
	servers map[*http.Server]chan struct{} // closed when it shuts down
}

const (
	maxViewers = 32               // at the same time
	pace       = time.Second      // between two updates
	share      = 20               // of the time at most one part is spent on an update
	patience   = 30 * time.Second // with a viewer that takes nothing
	lastPace   = pace / 4         // when the server shuts down: it waits
	lastWait   = 2 * time.Second  // for another connection to end then
)

func (v *viewers) enter() bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.n == maxViewers {
		return false
	}
	v.n++
	return true
}

func (v *viewers) leave() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.n--
}

// stopping is closed when the request's server shuts down, which would wait for a
// stream until its context ends. A program has few servers.
func (v *viewers) stopping(r *http.Request) <-chan struct{} {
	server, ok := r.Context().Value(http.ServerContextKey).(*http.Server)
	if !ok {
		return nil
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	c, ok := v.servers[server]
	if !ok {
		c = make(chan struct{})
		if v.servers == nil {
			v.servers = make(map[*http.Server]chan struct{})
		}
		v.servers[server] = c
		server.RegisterOnShutdown(sync.OnceFunc(func() { close(c) }))
	}
	return c
}

// update is what a viewer is sent.
type update struct {
	Sections map[string]string `json:"sections,omitempty"` // the HTML of those that have changed, by id
	Missed   int               `json:"missed,omitempty"`   // updates that were due while the viewer took none
}

// live sends a view's sections as they change, as server-sent events. Nothing waits in
// a queue: each update is made of what is known when it is sent, so a slow viewer
// misses some, is told how many, and costs nobody anything.
func (s *site) live(w http.ResponseWriter, r *http.Request, q *query, stopping <-chan struct{}) {
	view, ok := views[q.text("view")]
	if !ok {
		s.fail(w, http.StatusNotFound, "There is no such view.")
		return
	}
	if !s.page.viewers.enter() {
		w.Header().Set("Retry-After", "60")
		s.fail(w, http.StatusServiceUnavailable, fmt.Sprintf("%d viewers are kept up to date already. The pages themselves work.", maxViewers))
		return
	}
	defer s.page.viewers.leave()
	if view(s, q); q.bad != nil {
		s.fail(w, http.StatusBadRequest, q.bad.Error())
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no") // nginx's word for a stream
	w.Header().Set("Connection", "close")     // no other request shall have the stream's deadlines
	if r.Method == http.MethodHead {
		return
	}
	st := stream{w: w, control: http.NewResponseController(w), seed: maphash.MakeSeed(), sent: make(map[string]uint64), stopping: stopping}
	defer st.hurryWhen(stopping)()
	for {
		wait, err := st.update(func() content { return view(s, q) })
		if err != nil {
			return
		}
		if st.isLast(s.guard.Stats().Open) {
			st.send("bye", struct{}{}) //nolint:errcheck // it ends anyway
			return
		}
		if !st.sleep(r.Context(), wait) {
			return
		}
	}
}

// stream is a viewer's.
type stream struct {
	w       http.ResponseWriter
	control *http.ResponseController
	seed    maphash.Seed
	sent    map[string]uint64 // hashes of the sections that it has
	missed  int

	stopping <-chan struct{} // closed when the server shuts down; nil: it has, or nobody tells
	stopped  bool            // it shuts down
	left     int             // connections that were open when the last of them ended
	until    time.Time       // when to end if no other one does

	mu    sync.Mutex // of the deadline
	hurry bool       // the server shuts down, and waits for a Write
}

// update sends what has changed, and returns how long to wait before the next one.
func (st *stream) update(view func() content) (time.Duration, error) {
	began := time.Now()
	up, err := st.changes(view())
	if err != nil {
		return 0, err
	}
	every := max(pace, share*time.Since(began))
	if err := st.send("update", up); err != nil {
		return 0, err
	}
	took := time.Since(began)
	st.missed = int(took / every)
	return every - took%every, nil
}

// isLast reports whether the stream ends because the server shuts down. It goes on
// while connections end: somebody may be watching that.
func (st *stream) isLast(open int) bool {
	if !st.stopped {
		return false
	}
	if st.until.IsZero() || open < st.left {
		st.left, st.until = open, time.Now().Add(lastWait)
	}
	return open == 0 || !time.Now().Before(st.until)
}

// sleep waits for the next update, and returns false if there is none.
func (st *stream) sleep(ctx context.Context, wait time.Duration) bool {
	if st.stopped {
		wait = min(wait, lastPace)
	}
	next := time.NewTimer(wait)
	defer next.Stop()
	select {
	case <-next.C:
	case <-st.stopping:
		st.stopping, st.stopped = nil, true
	case <-ctx.Done():
		return false
	}
	return true
}

// changes is what has changed of a view since the last update.
func (st *stream) changes(c content) (update, error) {
	up := update{Sections: make(map[string]string), Missed: st.missed}
	for _, id := range c.live {
		html, err := render(id, c.data)
		if err != nil {
			return up, err
		}
		hash := maphash.String(st.seed, string(html))
		if old, ok := st.sent[id]; !ok || old != hash {
			up.Sections[id], st.sent[id] = string(html), hash
		}
	}
	return up, nil
}

// send writes one event. JSON is one line, whatever is in it.
func (st *stream) send(event string, v any) error {
	text, err := toJSON(v)
	if err != nil {
		return err
	}
	st.setDeadline(false)
	if _, err := fmt.Fprintf(st.w, "event: %s\ndata: %s\n\n", event, text); err != nil {
		return err
	}
	return st.control.Flush()
}

// setDeadline gives a Write its time, which is short once the server shuts down.
func (st *stream) setDeadline(hurry bool) {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.hurry = st.hurry || hurry
	wait := patience
	if st.hurry {
		wait = lastWait
	}
	st.control.SetWriteDeadline(time.Now().Add(wait)) //nolint:errcheck // not every writer has deadlines
}

// hurryWhen shortens the time of a Write that is under way when the server begins to
// shut down, until the function that it returns is called.
func (st *stream) hurryWhen(stopping <-chan struct{}) (over func()) {
	if stopping == nil {
		return func() {}
	}
	done := make(chan struct{})
	var watching sync.WaitGroup
	watching.Go(func() {
		select {
		case <-stopping:
			st.setDeadline(true)
		case <-done:
		}
	})
	return func() {
		close(done)
		watching.Wait()
	}
}
