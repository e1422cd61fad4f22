package integration_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/closeguard/ws/closeguard"
	"github.com/closeguard/ws/integration_test/rawpeer"
	"github.com/closeguard/ws/integration_test/sockets"
)

// A request and the peer's Close come in one segment. The guard sees the Close
// long before the handler has its result, which must still arrive, and before
// the answer: nothing may follow a Close.
func TestDataBetweenThePeersCloseAndTheAnswer(t *testing.T) {
	const work = 300 * time.Millisecond
	slow := func(_ *http.Request, s socket) error {
		for {
			text, message, err := s.Read()
			if err != nil {
				return err
			}
			<-time.After(work)
			if err := s.Write(text, message); err != nil {
				return err
			}
		}
	}
	for _, scheme := range []string{"ws", "wss"} {
		s := serve(t, scheme, closeguard.Options{}, slow)
		for _, e := range endpoints {
			t.Run(scheme+" "+e.Path, func(t *testing.T) {
				t.Parallel()
				p := s.dial(t, e)
				began := time.Now()
				p.send(t, hello, rawpeer.Close(1000, ""))
				p.expect(t, hello)
				if took := time.Since(began); took < work {
					t.Fatalf("the handler took %v, want %v", took, work)
				}
				p.expectEnd(t, rawpeer.FIN, rawpeer.Close(1000, ""))
				want := ending{kind: "peer closed", code: 1000, clean: true, sent: closing(1000, ""), received: closing(1000, "")}
				if got := endingOf(p.event(t)); got != want {
					t.Errorf("got %+v, want %+v", got, want)
				}
			})
		}
	}
}

// A handler that has its result in several messages, and reads on only then.
func TestManyMessagesBetweenThePeersCloseAndTheAnswer(t *testing.T) {
	const parts = 100
	s := serve(t, "ws", closeguard.Options{}, func(_ *http.Request, s socket) error {
		if _, _, err := s.Read(); err != nil {
			return err
		}
		for range parts {
			if err := s.Write(false, make([]byte, 10000)); err != nil {
				return err
			}
		}
		_, _, err := s.Read()
		return err
	})
	each(t, func(t *testing.T, e endpoint) {
		p := s.dial(t, e)
		p.send(t, hello, rawpeer.Close(4000, "done"))
		for range parts {
			p.expect(t, rawpeer.Binary(make([]byte, 10000)))
		}
		answer := rawpeer.Close(4000, "")
		if e.Library == "coder" {
			answer = rawpeer.Close(4000, "done")
		}
		p.expectEnd(t, rawpeer.FIN, answer)
		if ev := p.event(t); !ev.Clean() || ev.Code() != 4000 {
			t.Errorf("event %v, want a clean 4000", ev)
		}
	})
}

// A handler that returns without reading on has not answered: the guard does.
func TestHandlerReturnsBetweenThePeersCloseAndTheAnswer(t *testing.T) {
	s := serve(t, "ws", closeguard.Options{}, func(_ *http.Request, s socket) error {
		text, message, err := s.Read()
		if err != nil {
			return err
		}
		return s.Write(text, message)
	})
	each(t, func(t *testing.T, e endpoint) {
		p := s.dial(t, e)
		p.send(t, hello, rawpeer.Close(4000, "done"))
		p.expectEnd(t, rawpeer.FIN, hello, rawpeer.Close(4000, "done"))
		want := ending{kind: "peer closed", code: 4000, clean: true, sent: closing(4000, "done"), received: closing(4000, "done")}
		if got := endingOf(p.event(t)); got != want {
			t.Errorf("got %+v, want %+v", got, want)
		}
	})
}

// Whatever a program does in gorilla's close handler, the peer is answered.
func TestCloseHandlerThatAnswersNothing(t *testing.T) {
	s := serve(t, "ws", closeguard.Options{}, func(_ *http.Request, s socket) error {
		s.(sockets.Gorilla).Conn.(interface {
			SetCloseHandler(func(code int, text string) error)
		}).SetCloseHandler(func(int, string) error { return nil })
		_, _, err := s.Read()
		return err
	})
	each(t, func(t *testing.T, e endpoint) {
		if e.Library != "gorilla" {
			return // coder has no such thing
		}
		p := s.dial(t, e)
		p.send(t, rawpeer.Close(4000, "done"))
		p.expectEnd(t, rawpeer.FIN, rawpeer.Close(4000, "done"))
		if ev := p.event(t); !ev.Clean() || ev.Code() != 4000 {
			t.Errorf("event %v, want a clean 4000", ev)
		}
	})
}
