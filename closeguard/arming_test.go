package closeguard_test

import (
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/closeguard/ws/closeguard"
	"github.com/closeguard/ws/closeguard/closetest"
)

// Rule 0: what a server's program writes decides. Behind the whole head of a
// 101 the connection is guarded, which shows when it is closed without a Close.
func TestArmedByA101(t *testing.T) {
	frames := string(wireBytes(closeguard.Server, text("welcome"), start("a"), end("b")))
	half := len(switching) / 2
	tests := []struct {
		name   string
		pieces []string
		want   string
	}{
		{"in one write", []string{switching}, "close 1001"},
		{"in two writes", []string{switching[:half], switching[half:]}, "close 1001"},
		{"byte by byte", strings.Split(switching, ""), "close 1001"},
		{"frames in the next write", []string{switching, frames}, "text welcome | start a | end b | close 1001"},
		{"frames behind it", []string{switching + frames}, "text welcome | start a | end b | close 1001"},
		{"frames behind its second half", []string{switching[:half], switching[half:] + frames}, "text welcome | start a | end b | close 1001"},
		{"a frame begins behind it", []string{switching + frames[:3], frames[3:]}, "text welcome | start a | end b | close 1001"},
		{"line feeds alone", []string{strings.ReplaceAll(switching, "\r\n", "\n") + "\x81\x00"}, "text empty | close 1001"},
		{"a Close behind it", []string{switching + "\x88\x02\x03\xf0"}, "close 1008"},
		{"an illegal Close behind it", []string{switching + "\x81\x00\x88\x02\x03\xee"}, "text empty | close 1001"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s := serve(t, closeguard.Options{}, func(w http.ResponseWriter, r *http.Request) {
					c, _ := hijack(t, w)
					for _, p := range tt.pieces {
						if n, err := io.WriteString(c, p); n != len(p) || err != nil {
							t.Errorf("Write of %d bytes: %d, %v", len(p), n, err)
						}
					}
					c.Close()
				})
				v := s.dial(askUpgrade)
				if got, want := strings.ReplaceAll(v.head(), "\r", ""), strings.ReplaceAll(switching, "\r", ""); got != want {
					t.Errorf("head: %q", got)
				}
				v.gets(tt.want)
				v.Close()
				synctest.Wait()
				s.log.ending(t, 1)
			})
		})
	}
}

// Rule 0: whatever is no 101 leaves the program with a plain connection, for
// ever. The client gets its bytes and not one more.
func TestNotArmedByAnotherAnswer(t *testing.T) {
	illegalClose := "\x88\x02\x03\xee"
	tests := []struct {
		name    string
		pieces  []string
		refused string // the event's status; "none": no event
	}{
		{"closed without an answer", nil, "0"},
		{"closed within the head", []string{switching[:len(switching)-1]}, "0"},
		{"403", []string{forbidden}, "403"},
		{"403 in pieces", strings.Split(forbidden, ""), "403"},
		{"400 and what looks like a Close", []string{"HTTP/1.1 400 Bad Request\r\n\r\n", illegalClose, illegalClose}, "400"},
		{"200 and a long body", []string{"HTTP/1.1 200 OK\r\n\r\n" + strings.Repeat("\x88\x7f\xff", 5000), illegalClose}, "200"},
		{"a 101 behind a 403", []string{forbidden, switching, illegalClose}, "403"},
		{"no HTTP", []string{"\x81\x05Hello", illegalClose}, "0, no answer"},
		{"an endless head", []string{"HTTP/1.1 101 OK\r\n", strings.Repeat("X: "+strings.Repeat("x", 1000)+"\r\n", 100), "\r\n", illegalClose}, "0, no answer"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s := serve(t, closeguard.Options{}, func(w http.ResponseWriter, r *http.Request) {
					c, _ := hijack(t, w)
					for _, p := range tt.pieces {
						if n, err := io.WriteString(c, p); n != len(p) || err != nil {
							t.Errorf("Write of %d bytes: %d, %v", len(p), n, err)
						}
					}
					if err := c.Close(); err != nil {
						t.Errorf("Close: %v", err)
					}
					_, err := c.Read(make([]byte, 1))
					is(t, err, net.ErrClosed)
				})
				v := s.dial(askUpgrade)
				got, err := io.ReadAll(v)
				if want := strings.Join(tt.pieces, ""); string(got) != want || err != nil {
					t.Errorf("the client got %q, %v\nwant %q", got, err, want)
				}
				synctest.Wait()
				if got := refusals(s.log.Events()); got != tt.refused {
					t.Errorf("refused: %s, want %s", got, tt.refused)
				}
			})
		})
	}
}

// refusals are the statuses of Refused events, or "none"; any other event is told too.
func refusals(events []closeguard.Event) string {
	var got []string
	for _, ev := range events {
		if ev, ok := ev.(*closeguard.Refused); ok && ev.Err == nil {
			got = append(got, fmt.Sprint(ev.Status))
			continue
		} else if ok && ev.Status == 0 && strings.Contains(ev.Err.Error(), "is no HTTP answer") {
			got = append(got, "0, no answer")
			continue
		}
		got = append(got, fmt.Sprintf("%T %v", ev, ev))
	}
	if len(got) == 0 {
		return "none"
	}
	return strings.Join(got, " ")
}

// A handler that answers through net/http: it is refused, too.
func TestRefusedByAHandler(t *testing.T) {
	tests := []struct {
		name    string
		handler http.HandlerFunc
		status  string // of the answer, "" for none
		refused string
	}{
		{"http.Error", func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", 400) }, "400 Bad Request", "400"},
		{"Write", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "no") }, "200 OK", "200"},
		{"nothing, so that nobody knows", func(http.ResponseWriter, *http.Request) {}, "200 OK", "none"},
		{"headers only", func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("X", "y") }, "200 OK", "none"}, // by the middleware above, maybe
		{"Flush, then a 101 too late", func(w http.ResponseWriter, _ *http.Request) { w.(http.Flusher).Flush(); w.WriteHeader(101) }, "200 OK", "200"},
		{"ReadFrom, then a 101 too late", func(w http.ResponseWriter, _ *http.Request) {
			w.(io.ReaderFrom).ReadFrom(strings.NewReader("no"))
			w.WriteHeader(101)
		}, "200 OK", "200"},
		{"informational first", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(103); w.WriteHeader(404) }, "103 Early Hints", "404"},
		{"panic", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "", "0"},
		{"answer, then panic", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(401)
			http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		}, "401 Unauthorized", "401"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s := serve(t, closeguard.Options{}, tt.handler)
				v := s.dial(askUpgrade)
				v.CloseWrite()
				got, _ := io.ReadAll(v)
				if line, _, _ := strings.Cut(string(got), "\r\n"); line != strings.TrimSpace("HTTP/1.1 "+tt.status) && string(got) != tt.status {
					t.Errorf("the client got %q, want %s", got, tt.status)
				}
				v.Close()
				synctest.Wait()
				if got := refusals(s.log.Events()); got != tt.refused {
					t.Errorf("refused: %s, want %s", got, tt.refused)
				}
			})
		})
	}
}

// What a client sends before the 101 is out counts from the 101 on: scanned
// once, and read once by the program, from the buffer where net/http left it.
func TestEarlyBytes(t *testing.T) {
	for name, open := range map[string]func(*testing.T, http.ResponseWriter) io.Reader{
		"101 written by the library": func(t *testing.T, w http.ResponseWriter) io.Reader {
			c, rw := hijack(t, w)
			if n := rw.Reader.Buffered(); n != len(wireBytes(closeguard.Client, text("early"), closeWith(1000, "bye"))) {
				t.Errorf("Buffered() = %d", n)
			}
			io.WriteString(c, switching)
			return rw
		},
		"101 written by net/http": func(t *testing.T, w http.ResponseWriter) io.Reader {
			_, rw := accept(t, w)
			return rw
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				early := wireBytes(closeguard.Client, text("early"), closeWith(1000, "bye"))
				s := serve(t, closeguard.Options{}, func(w http.ResponseWriter, r *http.Request) {
					rd := open(t, w)
					got := make([]byte, len(early))
					if _, err := io.ReadFull(rd, got); err != nil || string(got) != string(early) {
						t.Errorf("the program read %q, %v; want %q", got, err, early)
					}
					// It reads on without an answer: the guard gives it.
					_, err := rd.Read(got)
					is(t, err, io.EOF)
				})
				v := s.dial(askUpgrade + string(early))
				v.head()
				v.sees("close 1000 bye | EOF")
				v.Close()
				synctest.Wait()
				if ev := s.log.ending(t, 1); ev != nil && outcome(ev) != "peer closed 1000, sent 1000 bye, received 1000 bye, clean" {
					t.Errorf("it ended as %s", outcome(ev))
				}
			})
		})
	}
}

// Early bytes that come after Hijack, before the 101.
func TestEarlyBytesThatAreReadBeforeThe101(t *testing.T) {
	bubble(t, func(t *testing.T) {
		early := wireBytes(closeguard.Client, start("ear"))
		s := serve(t, closeguard.Options{}, func(w http.ResponseWriter, r *http.Request) {
			c, _ := hijack(t, w)
			got := make([]byte, 100)
			n, err := c.Read(got)
			if string(got[:n]) != string(early) || err != nil {
				t.Errorf("Read: %q, %v", got[:n], err)
			}
			io.WriteString(c, switching)
			n, err = c.Read(got)
			if want := wireBytes(closeguard.Client, end("ly"), closeWith(1001, "")); string(got[:n]) != string(want) || err != nil {
				t.Errorf("Read: %q, %v", got[:n], err)
			}
			c.Close()
		})
		v := s.dial(askUpgrade)
		synctest.Wait()
		v.send(start("ear"))
		v.head()
		v.send(end("ly"), closeWith(1001, ""))
		v.sees("close 1001 | EOF")
		v.Close()
		synctest.Wait()
		if ev := s.log.ending(t, 1); ev != nil {
			is(t, ev.End().Err) // the early frame was scanned: nothing broke a rule
		}
	})
}

// A connection that is closed while the 101 is being written was never open.
func TestClosedWhileTheAnswerIsWritten(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := serve(t, closeguard.Options{}, func(w http.ResponseWriter, r *http.Request) {
			c, _ := hijack(t, w)
			c.(*closeguard.Conn).NetConn().Write(make([]byte, 64<<10)) // now the buffer is full
			wrote := make(chan error)
			go func() {
				_, err := io.WriteString(c, switching)
				wrote <- err
			}()
			time.Sleep(time.Second)
			c.Close()
			is(t, <-wrote, net.ErrClosed)
		})
		v := s.dial(askUpgrade)
		time.Sleep(2 * time.Second)
		if got := refusals(s.log.Events()); got != "0" {
			t.Errorf("refused: %s, want 0", got)
		}
		v.Close()
	})
}

// The same while Options.Attrs runs, the last thing before it is open.
func TestClosedWhileTheProgramIsAskedForAttributes(t *testing.T) {
	bubble(t, func(t *testing.T) {
		opts := closeguard.Options{Attrs: func(r *http.Request) []slog.Attr {
			c := closeguard.FromContext(r.Context()).Conn()
			read := make(chan error)
			go func() { _, err := c.Read(make([]byte, 100)); read <- err }()
			time.Sleep(time.Second)
			c.Close()
			is(t, <-read, net.ErrClosed)
			return nil
		}}
		s := serve(t, opts, func(w http.ResponseWriter, r *http.Request) {
			c, _ := hijack(t, w)
			io.WriteString(c, switching)
			_, err := c.Write(wireBytes(closeguard.Server, text("late")))
			is(t, err, net.ErrClosed)
		})
		v := s.dial(askUpgrade)
		v.head()
		v.sees("EOF")
		synctest.Wait()
		if got := refusals(s.log.Events()); got != "0" {
			t.Errorf("refused: %s, want 0", got)
		}
	})
}

// Rule 0 for a client: what it reads decides.
func TestClientArmedByA101(t *testing.T) {
	const proxied = "HTTP/1.1 200 Connection established\r\n\r\n"
	frames := string(wireBytes(closeguard.Server, text("welcome"), ping("")))
	half := len(switching) / 2
	tests := []struct {
		name    string
		request string
		pieces  []string
		armed   bool
	}{
		{"in one piece", askUpgrade, []string{switching}, true},
		{"in two pieces", askUpgrade, []string{switching[:half], switching[half:]}, true},
		{"byte by byte", askUpgrade, strings.Split(switching, ""), true},
		{"frames behind it", askUpgrade, []string{switching + frames}, true},
		{"part of a frame behind it", askUpgrade, []string{switching + frames[:1], frames[1:]}, true},
		{"behind a proxy", "CONNECT example.com:80 HTTP/1.1\r\n\r\n" + askUpgrade, []string{proxied, switching + frames}, true},
		{"behind a proxy, at once", "CONNECT example.com:80 HTTP/1.1\r\n\r\n" + askUpgrade, []string{proxied + switching + frames}, true},
		{"half of it", askUpgrade, []string{switching[:half]}, false},
		{"403", askUpgrade, []string{forbidden}, false},
		{"200, and no proxy was asked", askUpgrade, []string{proxied, switching}, false},
		{"a proxy that refuses", "CONNECT example.com:80 HTTP/1.1\r\n\r\n", []string{"HTTP/1.1 502 Bad Gateway\r\n\r\n", switching}, false},
		{"no HTTP", askUpgrade, []string{frames}, false},
		{"nothing", askUpgrade, nil, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				log := new(recorder)
				g := newGuard(t, closeguard.Options{Observers: []closeguard.Observer{log}})
				below, peer := closetest.Pipe()
				nc, err := g.Driver().WrapHandshake(below)
				if err != nil {
					t.Fatal(err)
				}
				c := nc.(*closeguard.Conn)
				io.WriteString(c, tt.request)
				io.CopyN(io.Discard, peer, int64(len(tt.request)))
				for _, p := range tt.pieces {
					io.WriteString(peer, p)
					got := make([]byte, len(p)+1)
					n, err := c.Read(got)
					if string(got[:n]) != p || err != nil {
						t.Errorf("Read: %q, %v; want %q", got[:n], err, p)
					}
				}
				if err := c.Close(); err != nil {
					t.Error(err)
				}
				p := guarded{t: t, peer: peer, role: closeguard.Client}
				if tt.armed {
					p.peerGets("close 1001")
					peer.Close()
					<-c.Done()
					synctest.Wait()
					log.ending(t, 1)
				} else {
					p.peerSees("EOF")
					if len(log.Events()) > 0 {
						t.Errorf("events: %v", log.Events())
					}
				}
			})
		})
	}
}
