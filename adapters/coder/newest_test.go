//go:build newest

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
	gorilla "github.com/gorilla/websocket"
)

// What the library does only in newer releases than the oldest one, which go.mod
// requires: make newest runs these tests, too.

var errTooBig = websocket.ErrMessageTooBig // from 1.8.14 on

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
			p.UnderlyingConn().(*net.TCPConn).CloseWrite()
			c.Read(context.Background())
		}, false},
		{"after the end of TCP, by CloseRead", func(c closer, p *twintest.Peer) {
			p.UnderlyingConn().(*net.TCPConn).CloseWrite()
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

// A context that has ended before a Write may let the message through and end
// the connection behind it, or leave both alone; a Close is never made up.
func TestAContextThatHasEndedBefore(t *testing.T) {
	for i := range 6 {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			s, c, p := adapter.Connect(t, closeguard.Options{})
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			go func() {
				for !errors.Is(c.Write(ctx, websocket.MessageText, nil), net.ErrClosed) {
				}
			}()
			for _, _, err := p.ReadMessage(); ; _, _, err = p.ReadMessage() {
				if gorilla.IsCloseError(err, gorilla.CloseAbnormalClosure) {
					break // TCP ended without a Close
				}
				if err != nil {
					t.Fatalf("the peer saw %v", err)
				}
			}
			ev := s.Event(t)
			twintest.ExpectEvent(t, ev, "dropped")
			if !errors.Is(ev, context.Canceled) {
				t.Errorf("%v is not %v", ev, context.Canceled)
			}
		})
	}
}
