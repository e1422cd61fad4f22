package closeguard_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/closeguard/ws/closeguard"
)

// New refuses what can't be meant, and says which field has which value against
// which rule.
func TestOptionsThatAreRefused(t *testing.T) {
	type O = closeguard.Options
	tests := []struct {
		opts  O
		field string
		value any
		rule  string
	}{
		{O{Observers: []closeguard.Observer{closeguard.LogObserver(nil), nil}}, "Observers[1]", nil, "nil"},
		{O{CloseIdle: -1}, "CloseIdle", time.Duration(-1), "negative"},
		{O{CloseTimeout: -time.Second}, "CloseTimeout", -time.Second, "negative"},
		{O{CloseIdle: 2 * time.Second, CloseTimeout: time.Second}, "CloseIdle", 2 * time.Second, "CloseTimeout, 1s"},
		{O{CloseBytes: -1}, "CloseBytes", int64(-1), "negative"},
		{O{MaxClosing: -5}, "MaxClosing", -5, "negative"},
		{O{BareClose: -2}, "BareClose", -2, "outside"},
		{O{BareClose: 999}, "BareClose", 999, "unused"},
		{O{BareClose: 1006}, "BareClose", 1006, "must not appear"},
		{O{BareClose: 1010}, "BareClose", 1010, "clients only"},
		{O{BareClose: 1016}, "BareClose", 1016, "not assigned"},
		{O{BareClose: 5000}, "BareClose", 5000, "outside"},
		{O{DrainWindow: -1}, "DrainWindow", time.Duration(-1), "negative"},
		{O{RetryAfter: -1}, "RetryAfter", time.Duration(-1), "negative"},
		{O{PingInterval: -1}, "PingInterval", time.Duration(-1), "negative"},
		{O{PingTimeout: -1}, "PingTimeout", time.Duration(-1), "negative"},
		{O{PingTimeout: time.Second}, "PingTimeout", time.Second, "PingInterval"},
		{O{IdleTimeout: -1}, "IdleTimeout", time.Duration(-1), "negative"},
		{O{MaxAge: -1}, "MaxAge", time.Duration(-1), "negative"},
		{O{MaxAgeJitter: -0.1}, "MaxAgeJitter", -0.1, "from 0 to 1"},
		{O{MaxAgeJitter: 1.1}, "MaxAgeJitter", 1.1, "from 0 to 1"},
		{O{MaxAgeJitter: math.Inf(1)}, "MaxAgeJitter", math.Inf(1), "from 0 to 1"},
		{O{WriteStall: -1}, "WriteStall", time.Duration(-1), "negative"},
	}
	for _, tt := range tests {
		g, err := closeguard.New(tt.opts)
		said := fmt.Sprintf("closeguard: Options.%s is %v: ", tt.field, tt.value)
		if g != nil || err == nil || !strings.HasPrefix(err.Error(), said) || !strings.Contains(strings.TrimPrefix(err.Error(), said), tt.rule) {
			t.Errorf("%s = %v: %v, want an error about the rule %q", tt.field, tt.value, err, tt.rule)
		}
	}
	if _, err := closeguard.New(closeguard.Options{MaxAgeJitter: math.NaN()}); err == nil {
		t.Error("MaxAgeJitter NaN was taken")
	}
}

// Everything else is taken: zero, the extremes, and NoClose.
func TestOptionsThatAreTaken(t *testing.T) {
	for _, opts := range []closeguard.Options{
		{},
		{CloseIdle: 1, CloseTimeout: 1, CloseBytes: 1, MaxClosing: 1},
		{CloseIdle: time.Hour}, // CloseTimeout follows
		{CloseTimeout: 1},      // CloseIdle follows
		{CloseIdle: math.MaxInt64, CloseTimeout: math.MaxInt64, CloseBytes: math.MaxInt64, MaxClosing: math.MaxInt},
		{BareClose: closeguard.NoClose},
		{BareClose: closeguard.NoStatusReceived},
		{BareClose: 4999},
		{MaxAgeJitter: 1},
	} {
		bubble(t, func(t *testing.T) {
			c := guard(t, closeguard.Server, opts)
			c.Driver().CloseNow()
			c.ends("dropped 1006")
		})
	}
}

// What a program does to its options afterwards changes nothing.
func TestOptionsAreCopied(t *testing.T) {
	bubble(t, func(t *testing.T) {
		log := new(recorder)
		observers := []closeguard.Observer{log}
		g := newGuard(t, closeguard.Options{Observers: observers})
		observers[0] = closeguard.ObserverFunc(func(context.Context, closeguard.Event) { t.Error("the wrong observer") })
		c := log.open(t, g, closeguard.Server)
		c.Abort()
		c.ends("dropped 1006")
	})
}

// All observers are told of all events, in the order of the options.
func TestObserversInOrder(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var order []string
		observer := func(name string) closeguard.Observer {
			return closeguard.ObserverFunc(func(_ context.Context, ev closeguard.Event) {
				order = append(order, fmt.Sprintf("%s %T", name, ev))
			})
		}
		c := guard(t, closeguard.Server, closeguard.Options{Observers: []closeguard.Observer{observer("a"), observer("b")}})
		c.Abort()
		c.ends("dropped 1006")
		want := "a *closeguard.Opened, b *closeguard.Opened, a *closeguard.Dropped, b *closeguard.Dropped"
		if got := strings.Join(order, ", "); got != want {
			t.Errorf("told: %s\nwant  %s", got, want)
		}
	})
}

// Nobody need watch.
func TestNoObservers(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := (&recorder{}).open(t, newGuard(t, closeguard.Options{}), closeguard.Server)
		c.write(closeWith(1000, ""))
		c.finish()
		if err := c.guard.Close(); err != nil {
			t.Error(err)
		}
		if ev := c.Event(); outcome(ev) != "local closed 1000, sent 1000, received 1000, clean" {
			t.Errorf("it ended as %s", outcome(ev))
		}
	})
}

// A panic in a callback of the program's is logged, and everything goes on as
// if it had said nothing.
func TestPanicsInCallbacks(t *testing.T) {
	boom := func() { panic("boom") }
	for name, opts := range map[string]closeguard.Options{
		"Observer": {Observers: []closeguard.Observer{
			closeguard.ObserverFunc(func(context.Context, closeguard.Event) { boom() }),
			closeguard.ObserverFunc(nil),
		}},
		"Options.Attrs":         {Attrs: func(*http.Request) []slog.Attr { boom(); return nil }},
		"Options.ShutdownFrame": {ShutdownFrame: func(closeguard.ConnInfo) closeguard.CloseFrame { boom(); return closeguard.CloseFrame{} }},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				var lines lockedBuffer
				opts.ErrorLog = slog.New(slog.NewTextHandler(&lines, nil))
				s := serve(t, opts, func(w http.ResponseWriter, r *http.Request) {
					c := upgrade(t, w)
					(&guarded{Conn: c.(*closeguard.Conn)}).readAll()
					c.Close()
				})
				v := s.dial(askUpgrade)
				v.head()
				synctest.Wait()
				go s.guard.Shutdown(context.Background())
				want := "close 1001 server shutting down"
				if name == "Options.ShutdownFrame" {
					want = "close 1001"
				}
				v.gets(want)
				v.send(closeWith(4000, ""))
				v.sees("EOF")
				synctest.Wait()
				s.log.ending(t, 1)
				got := lines.String()
				for _, part := range []string{"panic in " + name, "boom", "options_test.go"} {
					if !strings.Contains(got, part) {
						t.Errorf("the log doesn't have %q: %s", part, got)
					}
				}
			})
		})
	}
}

// CodeName is asked before the registry, for log lines and for the events' texts.
func TestCodeName(t *testing.T) {
	always := func(name string) func(closeguard.ConnInfo, closeguard.Code) string {
		return func(closeguard.ConnInfo, closeguard.Code) string { return name }
	}
	for name, tt := range map[string]struct {
		codeName func(closeguard.ConnInfo, closeguard.Code) string
		code     uint16
		logged   string // "": nothing
		text     string
	}{
		"a private code":                  {always("kind"), 4242, "kind", "4242 kind"},
		"one in words":                    {always("room\tfull"), 4242, "room\tfull", `4242 room\tfull`},
		"without a name":                  {always(""), 4242, "", "4242 private use"},
		"a panic":                         {func(closeguard.ConnInfo, closeguard.Code) string { panic("boom") }, 4242, "", "4242 private use"},
		"nobody to ask":                   {nil, 3008, "timeout", "3008 timeout"},
		"a registered code":               {always("slow"), 3008, "slow", "3008 slow"},
		"a registered one without a name": {always(""), 3008, "timeout", "3008 timeout"},
		"one of the protocol's":           {always("deploy"), 1001, "deploy", "1001 deploy"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, way := range []struct {
				name string
				end  func(c *guarded)
				text string
			}{
				{"sent", func(c *guarded) { c.write(closeWith(tt.code, "bye")); c.send(closeWith(tt.code, "")) }, "websocket closed here: "},
				{"received", func(c *guarded) { c.send(closeWith(tt.code, "bye")); c.readAll(); c.Close() }, "websocket closed by peer: "},
			} {
				bubble(t, func(t *testing.T) {
					var lines, errs lockedBuffer
					c := guard(t, closeguard.Server, closeguard.Options{
						CodeName:  tt.codeName,
						ErrorLog:  slog.New(slog.NewTextHandler(&errs, nil)),
						Observers: []closeguard.Observer{closeguard.LogObserver(slog.New(slog.NewJSONHandler(&lines, nil)))},
					})
					way.end(c)
					time.Sleep(time.Minute)
					text := c.log.ending(t, 1).Error()
					if !strings.HasPrefix(text, way.text+tt.text+" \"bye\"") {
						t.Errorf("%s: event: %s", way.name, text)
					}
					var line struct{ WebSocket struct{ Name string } }
					if err := json.Unmarshal([]byte(lines.String()), &line); err != nil || line.WebSocket.Name != tt.logged {
						t.Errorf("%s: log line: %s; want the name %q", way.name, lines.String(), tt.logged)
					}
					if got := strings.Contains(errs.String(), "panic in Options.CodeName"); got != (name == "a panic") {
						t.Errorf("%s: ErrorLog: %q", way.name, errs.String())
					}
				})
			}
		})
	}
}

// A frame that a handler chose has no other name in the cause than in the event.
func TestCodeNameOfAHandlersError(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := guard(t, closeguard.Server, closeguard.Options{CodeName: func(closeguard.ConnInfo, closeguard.Code) string { return "slow" }})
		go c.Driver().Serve(func() error { return fmt.Errorf("gate: %w", closeguard.Error(3008, "bye", errHandler)) })
		c.peerGets("close 3008 bye")
		c.send(closeWith(3008, ""))
		time.Sleep(time.Minute)
		want := `websocket closed here: 3008 slow "bye": gate: close with 3008 "bye": ` + errHandler.Error()
		if got := c.log.ending(t, 1).Error(); got != want {
			t.Errorf("event: %s\nwant:  %s", got, want)
		}
	})
}
