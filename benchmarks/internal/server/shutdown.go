package server

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/coder/websocket"
	gorilla "github.com/gorilla/websocket"
)

// Listed is [Bare] with what a program needs that ends all its connections by
// hand: a list of them.
const Listed = "/listed"

// list is the hand-written counterpart of a guard.
type list struct {
	mu   sync.Mutex
	open map[*listed]bool
}

type listed struct {
	sayClose func()        // writes a Close
	over     chan struct{} // closed when the handler returns
}

func (l *list) add(sayClose func()) (remove func()) {
	c := &listed{sayClose, make(chan struct{})}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open[c] = true
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.open, c)
		close(c.over)
	}
}

// closeAll writes a Close to each, a few at a time, and waits for the answers.
func (l *list) closeAll() {
	l.mu.Lock()
	open := make([]*listed, 0, len(l.open))
	for c := range l.open {
		open = append(open, c)
	}
	l.mu.Unlock()
	var wg sync.WaitGroup
	turns := make(chan struct{}, 512)
	for _, c := range open {
		turns <- struct{}{}
		wg.Go(func() {
			c.sayClose()
			<-turns
			<-c.over
		})
	}
	wg.Wait()
}

const farewell = "server shutting down"

func (l *list) handler(c Config) http.Handler {
	if c.Library == "gorilla" {
		return l.gorilla(gorillaUpgrader(c.Compress))
	}
	return l.coder(coderOptions(c.Compress))
}

func (l *list) gorilla(upgrader *gorilla.Upgrader) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		conn, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer conn.Close()
		defer l.add(func() {
			payload := gorilla.FormatCloseMessage(gorilla.CloseGoingAway, farewell)
			conn.WriteControl(gorilla.CloseMessage, payload, time.Now().Add(time.Second)) //nolint:errcheck // the handler sees it
		})()
		echoGorilla(conn) //nolint:errcheck // there is nobody to tell
	}
}

func (l *list) coder(opts *websocket.AcceptOptions) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		conn, err := websocket.Accept(w, r, opts)
		if err != nil {
			return
		}
		defer conn.CloseNow()
		defer l.add(func() { conn.Close(websocket.StatusGoingAway, farewell) })() // the handler sees it
		echoCoder(r, conn)                                                        //nolint:errcheck // there is nobody to tell
	}
}

// Shutdown ends all connections, by the guard or by hand, and tells how long
// that took.
func (s *Server) Shutdown(guarded bool, took *time.Duration) error {
	began := time.Now()
	var err error
	if guarded {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		_, err = s.guard.Shutdown(ctx)
	} else {
		s.list.closeAll()
	}
	*took = time.Since(began)
	return err
}
