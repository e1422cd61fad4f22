package closeguard_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/closeguard/ws/closeguard"
)

// told are the routes, or whatever pick picks, of the events that came.
func (s *site) told(pick func(closeguard.ConnInfo) string) string {
	var all []string
	for _, ev := range s.log.Events() {
		all = append(all, pick(ev.Connection()))
	}
	return strings.Join(all, " | ")
}

func route(i closeguard.ConnInfo) string  { return i.Route }
func remote(i closeguard.ConnInfo) string { return i.Remote }

// The route is ServeMux's pattern, what Options.Route says of the request, or what
// the handler has said before it.
func TestRoute(t *testing.T) {
	const pattern = "GET /chat/{room}"
	long := strings.Repeat("x", 300)
	open := func(h *closeguard.Handle, c *closeguard.Conn) { (&guarded{Conn: c}).readAll() }
	for name, tt := range map[string]struct {
		route  func(*http.Request) string
		before string // what SetRoute says before the 101
		after  func(*closeguard.Handle, *closeguard.Conn)
		want   string // of Opened and the close event
		asked  int
	}{
		"nobody says anything":     {nil, "", open, pattern + " | " + pattern, 0},
		"the option":               {func(r *http.Request) string { return "of " + r.Pattern }, "", open, "of " + pattern + " | of " + pattern, 1},
		"the option, of nothing":   {func(*http.Request) string { return "" }, "", open, pattern + " | " + pattern, 1},
		"the option, with a panic": {func(*http.Request) string { panic("boom") }, "", open, pattern + " | " + pattern, 1},
		"the option, of much":      {func(*http.Request) string { return long }, "", open, long[:256] + " | " + long[:256], 1},
		"the handler":              {func(*http.Request) string { return "option" }, "/chat/:room", open, "/chat/:room | /chat/:room", 0},
		"the handler, of much":     {nil, long, open, long[:256] + " | " + long[:256], 0},
		"the handler, later": {func(*http.Request) string { return "option" }, "", func(h *closeguard.Handle, c *closeguard.Conn) {
			h.SetRoute("late")
			h.SetRoute("") // changes nothing
			open(h, c)
		}, "option | late", 1},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				var lines lockedBuffer
				asked := 0
				opts := closeguard.Options{ErrorLog: slog.New(slog.DiscardHandler), Observers: []closeguard.Observer{
					closeguard.LogObserver(slog.New(slog.NewTextHandler(&lines, nil))),
				}}
				if tt.route != nil {
					opts.Route = func(r *http.Request) string {
						asked++
						return tt.route(r)
					}
				}
				mux := http.NewServeMux()
				mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
					h := closeguard.FromContext(r.Context())
					h.SetRoute(tt.before)
					c := upgrade(t, w).(*closeguard.Conn)
					tt.after(h, c)
					c.Close()
				})
				s := serve(t, opts, mux.ServeHTTP)
				v := s.dial(askUpgrade)
				v.head()
				v.send(closeWith(1000, ""))
				v.sees("close 1000 | EOF")
				synctest.Wait()
				if got := s.told(route); got != tt.want {
					t.Errorf("routes %s, want %s", got, tt.want)
				}
				if asked != tt.asked {
					t.Errorf("the option was asked %d times, want %d", asked, tt.asked)
				}
				_, last, _ := strings.Cut(tt.want, " | ")
				if !strings.Contains(lines.String(), "route="+last) && !strings.Contains(lines.String(), `route="`+last+`"`) {
					t.Errorf("log: %s", lines.String())
				}
			})
		})
	}
}

// A refusal has a route, too, whoever refuses.
func TestRouteOfARefusal(t *testing.T) {
	for name, handler := range map[string]http.HandlerFunc{
		"the handler": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) },
		"the handler, hijacked": func(w http.ResponseWriter, _ *http.Request) {
			c := upgradeOnly(w)
			io.WriteString(c, forbidden)
			c.Close()
		},
		"the handler, without a word": func(w http.ResponseWriter, _ *http.Request) { upgradeOnly(w).Close() },
		"the guard":                   nil,
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				asked := 0
				s := serve(t, closeguard.Options{Route: func(*http.Request) string { asked++; return "route" }}, handler)
				if handler == nil {
					s.guard.StartDrain()
				}
				v := s.dial(askUpgrade)
				synctest.Wait()
				v.Close()
				synctest.Wait()
				if got := s.told(route); got != "route" || asked != 1 {
					t.Errorf("routes %q, asked %d times", got, asked)
				}
			})
		})
	}
}

func upgradeOnly(w http.ResponseWriter) io.ReadWriteCloser {
	c, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		panic(err)
	}
	return c
}

// Who the peer is, Options.Remote says as soon as the request comes.
func TestRemote(t *testing.T) {
	long := strings.Repeat("x", 300)
	for name, tt := range map[string]struct {
		remote func(*http.Request) string
		want   string
	}{
		"a header":     {func(r *http.Request) string { return r.Header.Get("X-Real-Ip") }, "192.0.2.7"},
		"nothing":      {func(*http.Request) string { return "" }, ""},
		"a panic":      {func(*http.Request) string { panic("boom") }, ""},
		"much":         {func(*http.Request) string { return long }, long[:256]},
		"not UTF-8":    {func(*http.Request) string { return "\xff" }, "\uFFFD"},
		"nobody's ask": {nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				asked := 0
				opts := closeguard.Options{ErrorLog: slog.New(slog.DiscardHandler)}
				if tt.remote != nil {
					opts.Remote = func(r *http.Request) string {
						asked++
						return tt.remote(r)
					}
				}
				s := serve(t, opts, func(w http.ResponseWriter, r *http.Request) {
					r.Header.Del("X-Real-Ip") // what comes later doesn't matter
					if r.URL.Path == "/no" {
						w.WriteHeader(http.StatusForbidden)
						return
					}
					c := upgrade(t, w).(*closeguard.Conn)
					(&guarded{Conn: c}).readAll()
					c.Close()
				})
				ask := strings.Replace(askUpgrade, "Host:", "X-Real-IP: 192.0.2.7\r\nHost:", 1)
				v := s.dial(ask)
				v.head()
				v.send(closeWith(1000, ""))
				v.sees("close 1000 | EOF")
				synctest.Wait()
				no := s.dial(strings.Replace(ask, "/chat/42", "/no", 1))
				no.head()
				no.Close()
				synctest.Wait()
				want := []string{tt.want, tt.want, tt.want}
				if tt.want == "" {
					want = []string{v.LocalAddr().String(), v.LocalAddr().String(), no.LocalAddr().String()}
				}
				if got := s.told(remote); got != strings.Join(want, " | ") {
					t.Errorf("remotes %s, want %s", got, want)
				}
				if tt.remote != nil && asked != 2 {
					t.Errorf("asked %d times for 2 requests", asked)
				}
			})
		})
	}
}

// Whoever breaks off when it is asked about a request takes that with it, and
// nothing else: a shutdown waits for nothing, and a refusal is told.
func TestAskedAboutARequestAndBreaksOff(t *testing.T) {
	for name, opts := range map[string]func(off func()) closeguard.Options{
		"Route": func(off func()) closeguard.Options {
			return closeguard.Options{Route: func(*http.Request) string { off(); return "" }}
		},
		"Remote": func(off func()) closeguard.Options {
			return closeguard.Options{Remote: func(*http.Request) string { off(); return "" }}
		},
		"Attrs": func(off func()) closeguard.Options {
			return closeguard.Options{Attrs: func(*http.Request) []slog.Attr { off(); return nil }}
		},
	} {
		for _, b := range breaks {
			t.Run(name+" "+b.name, func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					o := opts(b.off)
					o.ErrorLog = slog.New(slog.DiscardHandler)
					s := serve(t, o, func(w http.ResponseWriter, r *http.Request) {
						if r.URL.Path == "/no" {
							w.WriteHeader(http.StatusForbidden)
							return
						}
						c := upgrade(t, w).(*closeguard.Conn)
						(&guarded{Conn: c}).readAll()
						c.Close()
					})
					for _, path := range []string{"/chat/42", "/no"} {
						v := s.dial(strings.Replace(askUpgrade, "/chat/42", path, 1))
						synctest.Wait()
						v.Close()
					}
					synctest.Wait()
					refused := 0
					for _, ev := range s.log.Events() {
						if _, ok := ev.(*closeguard.Refused); ok {
							refused++
						}
					}
					if refused == 0 && (name != "Remote" || b.recovered != nil) {
						t.Errorf("no refusal was told: %v", s.log.Events())
					}
					if _, err := s.guard.Shutdown(context.Background()); err != nil {
						t.Error(err)
					}
				})
			})
		}
	}
}

// What a client has offered is told where nothing was agreed on.
func TestOfferedSubprotocols(t *testing.T) {
	many := strings.Repeat("x,", 20) + "y"
	for name, tt := range map[string]struct {
		header string
		agreed string
		want   []string
	}{
		"nothing offered":   {"", "", nil},
		"one":               {"Sec-WebSocket-Protocol: chat.v3\r\n", "", []string{"chat.v3"}},
		"several":           {"Sec-WebSocket-Protocol: chat.v3, chat.v2\r\nSec-WebSocket-Protocol: ,chat.v1 ,\r\n", "", []string{"chat.v3", "chat.v2", "chat.v1"}},
		"many":              {"Sec-WebSocket-Protocol: " + many + "\r\n", "", slices.Repeat([]string{"x"}, 8)},
		"a long one":        {"Sec-WebSocket-Protocol: " + strings.Repeat("x", 100) + "\r\n", "", []string{strings.Repeat("x", 64)}},
		"one was agreed on": {"Sec-WebSocket-Protocol: chat.v3, chat.v2\r\n", "chat.v2", nil},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				var lines lockedBuffer
				s := serve(t, closeguard.Options{Observers: []closeguard.Observer{
					closeguard.LogObserver(slog.New(slog.NewTextHandler(&lines, nil))),
				}}, func(w http.ResponseWriter, r *http.Request) {
					if r.URL.Path == "/no" {
						w.WriteHeader(http.StatusForbidden)
						return
					}
					c := upgradeOnly(w)
					head := switching
					if tt.agreed != "" {
						head = strings.Replace(head, "Upgrade: ", "Sec-WebSocket-Protocol: "+tt.agreed+"\r\nUpgrade: ", 1)
					}
					io.WriteString(c, head)
					(&guarded{Conn: c.(*closeguard.Conn)}).readAll()
					c.Close()
				})
				v := s.dial(strings.Replace(askUpgrade, "Host:", tt.header+"Host:", 1))
				v.head()
				v.send(closeWith(1000, ""))
				v.sees("close 1000 | EOF")
				synctest.Wait()
				no := s.dial(strings.Replace(strings.Replace(askUpgrade, "Host:", tt.header+"Host:", 1), "/chat/42", "/no", 1))
				no.head()
				no.Close()
				synctest.Wait()
				for _, ev := range s.log.Events() {
					want := tt.want
					if _, refused := ev.(*closeguard.Refused); refused && tt.agreed != "" {
						want = []string{"chat.v3", "chat.v2"} // it came to no agreement
					}
					if got := ev.Connection().Offered; !slices.Equal(got, want) {
						t.Errorf("%T: offered %q, want %q", ev, got, want)
					}
				}
				lineWith := 2 // Opened is not logged
				if tt.agreed != "" {
					lineWith = 1
				} else if tt.header == "" {
					lineWith = 0
				}
				if got := strings.Count(lines.String(), "websocket.offered="); got != lineWith {
					t.Errorf("%d lines tell it, want %d: %s", got, lineWith, lines.String())
				}
				if info := s.log.Events()[0].Connection(); len(info.Offered) > 0 {
					info.Offered[0] = "changed"
					if s.log.Events()[0].Connection().Offered[0] == "changed" {
						t.Error("who changes what an event says changes the event")
					}
				}
			})
		})
	}
}
