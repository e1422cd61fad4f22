package hostile

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/closeguard/ws/closeguard"
	"github.com/closeguard/ws/integration_test/sockets"
)

// A habit is what a handler does when it has sent some messages back.
type habit struct {
	words string
	do    func(s *served) error // its error is the handler's
	may   []error               // the causes of the guard's own that it can bring about
	keeps bool                  // it may leave the connection open without reading
}

// served is a connection in its handler.
type served struct {
	socket
	control
	*connection
	crowd *crowd
	kept  bool // nobody will close it
}

var errFailed = errors.New("no database")

func (s *served) echo(n int) error { return sockets.Echo(s, n) }

// outside does something from another goroutine, a moment later.
func (s *served) outside(do func()) {
	s.crowd.others.Go(func() {
		t := time.NewTimer(s.script.moment)
		defer t.Stop()
		select {
		case <-t.C:
		case <-s.Done():
		}
		do()
	})
}

// briefly is a context for what has to end by itself.
func briefly() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), patience)
}

// closeWith is the guard's CloseWith, which waits for the end.
func (s *served) closeWith(code closeguard.Code, reason string) {
	ctx, cancel := briefly()
	defer cancel()
	if err := s.control.CloseWith(ctx, code, reason); errors.Is(err, context.DeadlineExceeded) {
		s.complain("CloseWith has not returned for " + patience.String())
	}
}

var (
	aborted = []error{closeguard.ErrAborted}
	kicked  = []error{closeguard.ErrKicked}
)

var habits = []habit{
	{words: "echoes", do: func(s *served) error { return s.echo(-1) }},
	{words: "echoes until it can't", do: func(s *served) error { s.echo(-1); return nil }},
	{words: "returns", do: func(*served) error { return nil }},
	{words: "fails", do: func(*served) error { return errFailed }},
	{words: "closes with an Error", do: func(*served) error { return closeguard.Error(3001, "chosen", errFailed) }},
	{words: "closes with an illegal Error", do: func(*served) error { return closeguard.Error(closeguard.AbnormalClosure, "chosen", nil) }},
	{words: "closes with an Error that is too long", do: func(*served) error { return closeguard.Error(3002, strings.Repeat("é", 70), nil) }},
	{words: "panics", do: func(*served) error { panic(http.ErrAbortHandler) }},
	{words: "closes without a word", do: func(s *served) error { return s.socket.Close() }},
	{words: "closes without a word and reads on", do: func(s *served) error { s.socket.Close(); return s.echo(-1) }},
	{words: "writes a Close and closes", do: func(s *served) error {
		s.socket.CloseWith(3003, "done")
		s.socket.Close()
		return nil
	}},
	{words: "writes a Close and reads on", do: func(s *served) error { s.socket.CloseWith(3004, "done"); return s.echo(-1) }},
	{words: "writes an illegal Close", do: func(s *served) error { s.socket.CloseWith(1005, "done"); return s.echo(3) }},
	{words: "writes a Close that is too long", do: func(s *served) error { s.socket.CloseWith(3005, strings.Repeat("x", 124)); return s.echo(3) }},
	{words: "writes two Closes and a message", do: func(s *served) error {
		s.socket.CloseWith(3006, "one")
		s.socket.CloseWith(3007, "two")
		return s.Write(true, []byte("late"))
	}},
	{words: "floods", do: func(s *served) error {
		message := make([]byte, 64<<10)
		for range 80 {
			if err := s.Write(false, message); err != nil {
				return err
			}
		}
		return nil
	}},
	{words: "reads and writes at the same time", do: func(s *served) error { return sockets.Talk(s, 2*time.Millisecond) }},
	{words: "takes small messages only", do: func(s *served) error { s.limit(100); return s.echo(-1) }},
	{words: "reads with a deadline", do: func(s *served) error {
		for {
			if err := s.readWithin(30 * time.Millisecond); err != nil {
				return err
			}
		}
	}},
	{words: "calls CloseWith", do: func(s *served) error { s.closeWith(3008, "done"); return nil }},
	{words: "calls CloseWith and reads on", do: func(s *served) error { s.closeWith(3009, "done"); return s.echo(-1) }},
	{words: "is told to CloseWith", do: func(s *served) error {
		s.outside(func() { s.closeWith(3010, "from outside") })
		return s.echo(-1)
	}},
	{words: "is told to CloseWith while it floods", do: func(s *served) error {
		s.outside(func() { s.closeWith(3011, "from outside") })
		for message := make([]byte, 64<<10); ; {
			if err := s.Write(false, message); err != nil {
				return err
			}
		}
	}},
	{words: "aborts", may: aborted, do: func(s *served) error { s.Abort(); return s.echo(-1) }},
	{words: "is aborted", may: aborted, do: func(s *served) error { s.outside(s.Abort); return s.echo(-1) }},
	{words: "is aborted in CloseWith", may: aborted, do: func(s *served) error { s.outside(s.Abort); s.closeWith(3012, "done"); return nil }},
	{words: "is closed by its key", may: kicked, do: func(s *served) error {
		s.outside(s.kick)
		return s.echo(-1)
	}},
	{words: "is closed by its key and doesn't read", may: kicked, do: func(s *served) error {
		s.outside(s.kick)
		<-s.Done()
		return nil
	}},
	{words: "is kept and forgotten", keeps: true, do: func(s *served) error {
		err := s.echo(-1)
		s.keep()
		return err
	}},
	{words: "is kept unread", keeps: true, do: func(s *served) error { s.keep(); return nil }},
}

// kick closes the connection by its key.
func (s *served) kick() {
	ctx, cancel := briefly()
	defer cancel()
	report, err := s.crowd.guard.CloseKey(ctx, s.path, closeguard.CloseFrame{Code: 3013, Reason: "kicked"})
	if err != nil || report.Total() > 1 {
		s.complain("CloseKey says " + report.String() + errText(err))
	}
}

// keep leaves the connection as it is. An adapter's Handler closes it when it
// returns, so there it waits for the shutdown, or the end.
func (s *served) keep() {
	s.kept = true
	s.crowd.keep(s.socket)
	if s.script.way.handler {
		s.crowd.running.Add(-1)
		defer s.crowd.running.Add(1)
		select {
		case <-s.Done():
		case <-s.crowd.guard.Draining():
			if !s.crowd.prompt {
				<-time.After(50 * time.Millisecond)
			}
		}
	}
}

// handle is the handler of all ways.
func (c *crowd) handle(r *http.Request, conn socket, ctl control) (err error) {
	of := c.byPath(r.URL.Path)
	s := &served{socket: conn, control: ctl, connection: of, crowd: c}
	of.mu.Lock()
	of.handled = true
	of.mu.Unlock()
	ctl.SetKeys(of.path)
	returned := false
	defer func() {
		if !s.kept && !of.script.way.handler && (returned || !of.script.way.plain || of.script.defers) {
			conn.Close()
		}
	}()
	if err := s.echo(of.script.echoes); err != nil {
		if of.script.habit.keeps {
			s.keep()
		}
		returned = true
		return err
	}
	err = of.script.habit.do(s)
	returned = true
	return err
}
