package scenario

import (
	"context"
	"errors"
	"sync"

	"github.com/closeguard/ws/closeguard"
	"github.com/closeguard/ws/integration_test/sockets"
)

// An app is what the application does: how it reads, and what it does when the
// peer's step act tells it to.
type app struct {
	reads reading
	limit int64 // of a message, 0: none
	does  []deed
	fails deed // done when reading has failed
}

// reading is how an application reads.
type reading int

const (
	echoes   reading = iota // sends every message back, until reading fails
	discards                // forgets every message, until reading fails
	never                   // doesn't read
	one                     // reads one message and sends it back when told to, then echoes
	oneOnly                 // reads one message and sends it back when told to, and reads no more
)

// A deed is done when the peer tells the application to. With leave the handler
// returns err.
type deed func(a *acting) (leave bool, err error)

// acting is a running application.
type acting struct {
	socket
	told    <-chan struct{}
	over    <-chan struct{} // closed at the close event
	guards  *closeguard.Guard
	hold    chan struct{} // closed when the test is over
	others  *sync.WaitGroup
	handled <-chan struct{} // closed when the connection has ended
	held    []byte          // the message that waits to be sent back
}

var errHandler = errors.New("no database")

func does(deeds ...deed) app { return app{does: deeds} }

func closes(code int, reason string) deed {
	return func(a *acting) (bool, error) { a.CloseWith(code, reason); return false, nil }
}

// finishes closes with the guard's CloseWith, which waits for the end.
func finishes(code int, reason string) deed {
	return func(a *acting) (bool, error) {
		a.guard().CloseWith(context.Background(), closeguard.Code(code), reason)
		return false, nil
	}
}

// startsToFinish doesn't wait for CloseWith, of 4001: the handshake goes on.
func startsToFinish(reason string) deed {
	return func(a *acting) (bool, error) {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		a.guard().CloseWith(ctx, 4001, reason)
		return false, nil
	}
}

func aborts(a *acting) (bool, error)     { a.guard().Abort(); return false, nil }
func interrupts(a *acting) (bool, error) { a.interrupt(); return false, nil }
func returns(err error) deed             { return func(*acting) (bool, error) { return true, err } }
func panics(a *acting) (bool, error)     { panic(errHandler) }

// shutsDown shuts the guard down, and doesn't wait.
func shutsDown(a *acting) (bool, error) { a.guards.StartDrain(); return false, nil }

// drops ends TCP without a Close.
func drops(a *acting) (bool, error) { a.Close(); return false, nil }

func says(message string) deed {
	return func(a *acting) (bool, error) { a.Write(true, []byte(message)); return false, nil }
}

// begins starts a message and doesn't end it.
func begins(bytes int) deed {
	return func(a *acting) (bool, error) { a.fragment(make([]byte, bytes)); return false, nil }
}

// answers sends the message back that was read last.
func answers(a *acting) (bool, error) { a.Write(true, a.held); return false, nil }

// pours writes messages from another goroutine until it can't.
func pours(message []byte) deed {
	return func(a *acting) (bool, error) {
		a.others.Go(func() {
			for a.Write(false, message) == nil {
			}
		})
		return false, nil
	}
}

// huge is more than all the buffers between two ends hold: a peer that has read
// the beginning knows that its writer is blocked.
var huge = make([]byte, 12<<20)

// all does several things at once.
func all(deeds ...deed) deed {
	return func(a *acting) (bool, error) {
		for _, do := range deeds {
			if leave, err := do(a); leave {
				return leave, err
			}
		}
		return false, nil
	}
}

// run is the handler.
func (a app) run(s *acting) error {
	s.handled = s.guard().Done()
	if a.limit > 0 {
		s.limit(a.limit)
	}
	ended := make(chan error, 2)
	got := make(chan struct{})
	if a.reads != never {
		s.others.Go(func() { ended <- a.read(s, got) })
	}
	if a.reads == one || a.reads == oneOnly {
		select {
		case <-got:
		case err := <-ended:
			return err
		}
	}
	for _, do := range a.does {
		select {
		case <-s.told:
		case err := <-ended:
			return err
		case <-s.hold:
			return nil
		}
		if leave, err := do(s); leave {
			return err
		}
		if a.reads == one && len(s.held) > 0 {
			s.held = nil
			s.others.Go(func() { ended <- sockets.Echo(s, -1) })
		}
	}
	if a.reads != never {
		s.handled = nil // reading tells
	}
	select {
	case err := <-ended:
		if a.fails != nil {
			a.fails(s)
		}
		return err
	case <-s.handled:
		return nil
	case <-s.hold:
		return nil
	}
}

func (a app) read(s *acting, got chan struct{}) error {
	switch a.reads {
	case echoes:
		return sockets.Echo(s, -1)
	case discards:
		for {
			if _, _, err := s.Read(); err != nil {
				return err
			}
		}
	default:
		_, message, err := s.Read()
		if err != nil {
			return err
		}
		s.held = message
		close(got)
		<-s.hold
		return nil
	}
}
