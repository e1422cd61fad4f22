package coder_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/closeguard/ws/adapters/coder"
	"github.com/closeguard/ws/adapters/internal/twintest"
	"github.com/closeguard/ws/closeguard"
	"github.com/coder/websocket"
)

// A Close that the program calls right after a context ended its call leaves, although
// the library has closed the connection for it; and so does the Close that the
// context's cause chooses.
func TestClosingAfterAContextHasEnded(t *testing.T) {
	for _, tt := range []struct {
		name  string
		cause error
		then  func(c *coder.Conn)
		want  string
		event string
	}{
		{"Close", nil, func(c *coder.Conn) { c.Close(websocket.StatusTryAgainLater, "later") }, `1013 "later"`, "local closed 1013"},
		{"CloseWith", nil, func(c *coder.Conn) { c.CloseWith(context.Background(), 1013, "later") }, `1013 "later"`, "local closed 1013"},
		{"CloseNow", nil, func(c *coder.Conn) { c.CloseNow() }, "EOF", "dropped"},
		{"nothing", closeguard.Error(1013, "later", nil), func(*coder.Conn) {}, `1013 "later"`, "local closed 1013"},
	} {
		for _, call := range []struct {
			name string
			call func(ctx context.Context, c *coder.Conn) error
		}{
			{"Read", func(ctx context.Context, c *coder.Conn) error {
				_, _, err := c.Read(ctx)
				return err
			}},
			{"CloseRead", func(ctx context.Context, c *coder.Conn) error {
				ctx = c.CloseRead(ctx)
				<-ctx.Done()
				return ctx.Err()
			}},
		} {
			t.Run(tt.name+" after "+call.name, func(t *testing.T) {
				for range 10 {
					s, c, p := adapter.Connect(t, closeguard.Options{})
					ctx, cancel := context.WithCancelCause(t.Context())
					closed := make(chan struct{})
					go func() {
						defer close(closed)
						if err := call.call(ctx, c); tt.cause == nil && (!errors.Is(err, context.Canceled) || errors.Is(err, net.ErrClosed)) {
							t.Errorf("the call: %v, want %v", err, context.Canceled)
						}
						tt.then(c)
					}()
					p.Send(twintest.Frame(0x89, "")) // that the pong comes back shows that somebody reads
					p.SetPongHandler(func(string) error { cancel(tt.cause); return nil })
					if got := p.End(); got != tt.want {
						t.Errorf("the peer saw %s, want %s", got, tt.want)
					}
					twintest.Within(t, "closing", closed)
					twintest.ExpectEvent(t, s.Event(t), tt.event)
				}
			})
		}
	}
}

// What CloseNow returns is what the library's returns on a bare connection.
func TestWhatCloseNowReturns(t *testing.T) {
	type closer interface {
		CloseNow() error
		Close(websocket.StatusCode, string) error
		Read(context.Context) (websocket.MessageType, []byte, error)
		CloseRead(context.Context) context.Context
	}
	for _, tt := range []struct {
		name   string
		before func(c closer, p *twintest.Peer)
		closed bool // the first is net.ErrClosed
	}{
		{"at once", func(closer, *twintest.Peer) {}, false},
		{"after Close", func(c closer, p *twintest.Peer) {
			go p.End()
			c.Close(4000, "")
		}, true},
		{"after the peer's Close", func(c closer, p *twintest.Peer) {
			p.Send(twintest.Frame(0x88, twintest.ClosePayload(1000, "")))
			c.Read(context.Background())
		}, true},
		{"after the peer's Close, by CloseRead", func(c closer, p *twintest.Peer) {
			p.Send(twintest.Frame(0x88, twintest.ClosePayload(1000, "")))
			<-c.CloseRead(context.Background()).Done()
		}, true},
		{"after the end of TCP", func(c closer, p *twintest.Peer) {
			p.NetConn().(*net.TCPConn).CloseWrite()
			c.Read(context.Background())
		}, false},
		{"after the end of TCP, by CloseRead", func(c closer, p *twintest.Peer) {
			p.NetConn().(*net.TCPConn).CloseWrite()
			<-c.CloseRead(context.Background()).Done()
		}, false},
		{"after a context's end", func(c closer, _ *twintest.Peer) {
			ctx, cancel := context.WithCancel(context.Background())
			time.AfterFunc(time.Millisecond, cancel)
			c.Read(ctx)
		}, false},
	} {
		for _, guarded := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, guarded %t", tt.name, guarded), func(t *testing.T) {
				conns, done := make(chan closer, 1), make(chan struct{})
				s := twintest.Start(t, nil, closeguard.Options{}, func(g *closeguard.Guard) http.Handler {
					return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
						if guarded {
							c, err := coder.Accept(g, w, r, &options)
							if err != nil {
								t.Error(err)
							}
							conns <- c
						} else {
							c, err := websocket.Accept(w, r, &options)
							if err != nil {
								t.Error(err)
							}
							conns <- c
						}
						<-done
					})
				})
				defer close(done)
				p := s.Dial(t)
				c := twintest.Within(t, "Accept", conns)
				tt.before(c, p)
				for i, closed := range []bool{tt.closed, true, true} {
					if err := c.CloseNow(); errors.Is(err, net.ErrClosed) != closed || err != nil && !closed {
						t.Errorf("CloseNow, call %d: %v; net.ErrClosed wanted: %t", i+1, err, closed)
					}
				}
				if guarded {
					s.Event(t)
				}
			})
		}
	}
}
