package debug_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/closeguard/ws/closeguard"
	"github.com/closeguard/ws/closeguard/debug"
)

// afternoon is a world in which some things have happened: 1 is open and busy, 2 was
// closed by its peer, 3 by its handler, 4 was dropped when it had been silent for a
// minute, 5 is closing.
func afternoon(t *testing.T, of debug.Options, f func(w *world)) {
	t.Helper()
	inWorld(t, closeguard.Options{PingInterval: 5 * time.Minute}, of, func(w *world) {
		ann := w.visit("/chat?user=ann", "192.0.2.1:1001")
		ben := w.visit("/chat?user=ben", "192.0.2.2:1002")
		cleo := w.visit("/feed?user=cleo", "198.51.100.3:1003")
		dan := w.visit("/feed", "198.51.100.4:1004")
		eva := w.visit("/chat?user=ann", "192.0.2.5:1005")
		ann.WriteText("busy")
		time.Sleep(2 * time.Second)
		ben.WriteClose(1001, "tab closed")
		ben.ReadToEnd()
		cleo.WriteText("close 4001 signed in elsewhere")
		cleo.ReadFrame()
		cleo.WriteClose(4001, "")
		cleo.ReadToEnd()
		time.Sleep(58 * time.Second)
		dan.Close()
		eva.WriteText("close 1008 slow down")
		eva.ReadFrame()
		time.Sleep(time.Second)
		f(w)
		ann.Close()
		eva.Close()
	})
}

// Every view says what there is, by its path alone, and with a filter only what that
// lets through.
func TestViews(t *testing.T) {
	for _, tt := range []struct {
		path      string
		status    int
		says, not []string
	}{
		{"", 200, []string{"<dd>2</dd>", "closed by peer", "connection?number=4", "eof", "Silent for longest", "user:ann", "Endings over time, by cause"}, []string{"Shutting down", "<script>", "style="}},
		{"?by=code&span=24h", 200, []string{"Endings over time, by code", "4001", "24 hours"}, nil},
		{"?by=colour", 400, []string{"by is colour: must be one of cause, code"}, nil},
		{"connections", 200, []string{"<b>2</b> of 2 open", "192.0.2.1:1001", "192.0.2.5:1005", "busy", "closing"}, []string{"192.0.2.2"}},
		{"connections?state=busy", 200, []string{"<b>1</b> of 2 open", "192.0.2.1:1001"}, []string{"192.0.2.5"}},
		{"connections?key=USER:ANN&remote=.5:", 200, []string{"<b>1</b> of 2 open", "192.0.2.5:1005"}, []string{"192.0.2.1:"}},
		{"connections?attr=user=nobody", 200, []string{"<b>0</b> of 2 open"}, nil},
		{"connections?idle=50s", 200, []string{"<b>1</b> of 2 open", "192.0.2.1:1001"}, nil},
		{"connections?idle=5", 200, []string{"<b>1</b> of 2 open"}, nil},
		{"connections?age=1h", 200, []string{"<b>0</b> of 2 open"}, nil},
		{"connections?limit=1&order=silent", 200, []string{"1 on this page", "192.0.2.1:1001", "The next 1"}, []string{"192.0.2.5:"}},
		{"connections?idle=soon", 400, []string{"idle is soon: must be seconds"}, nil},
		{"connections?limit=251", 400, []string{"from 0 to 250"}, nil},
		{"connections?from=x", 400, nil, nil},
		{"events", 200, []string{"<b>8</b> of the 8 events", "tab closed", "signed in elsewhere"}, nil},
		{"events?kind=ended", 200, []string{"<b>3</b> of the 8"}, nil},
		{"events?kind=dropped", 200, []string{"<b>1</b> of the 8", "198.51.100.4:1004"}, []string{"tab closed"}},
		{"events?cause=eof", 200, []string{"<b>1</b> of the 8"}, nil},
		{"events?code=4001", 200, []string{"<b>1</b> of the 8", "signed in elsewhere"}, nil},
		{"events?route=fe&remote=198.51&key=cleo", 200, []string{"<b>1</b> of the 8"}, nil},
		{"events?limit=1&from=3", 200, []string{"1 on this page"}, nil},
		{"events?kind=nothing", 400, nil, nil},
		{"connection?number=2", 200, []string{"Close received", "1001 “tab closed”", "the peer’s came first", "Close sent", "yes, clean"}, []string{"Close it"}},
		{"connection?number=3", 200, []string{"Close sent", "ours came first", "4001 “signed in elsewhere”"}, nil},
		{"connection?number=4", 200, []string{"dropped", "60 s", "about "}, []string{"Close sent", "Close received"}},
		{"connection?number=5", 200, []string{"closing", "1008 “slow down”", "ours came first"}, []string{"the answer"}},
		{"connection?number=77", 404, []string{"Nothing is known of connection 77", "1000"}, nil},
		{"connection?number=-1", 400, nil, nil},
		{"nothing", 404, []string{"no such page"}, nil},
		{".json", 404, nil, nil},
		{"style.css", 200, []string{"prefers-color-scheme", "color-scheme"}[1:], nil},
		{"script.js", 200, []string{"EventSource"}, nil},
		{"icon.svg", 200, []string{"<svg"}, nil},
		{"page.html", 404, nil, nil},
		{"kick", 404, nil, nil},
		{"live?view=nothing", 404, nil, nil},
		{"live?view=events&kind=x", 400, nil, nil},
	} {
		t.Run(tt.path, func(t *testing.T) {
			afternoon(t, debug.Options{}, func(w *world) {
				r := w.get(tt.path)
				body := r.Body.String()
				if r.Code != tt.status {
					t.Errorf("status %d, want %d", r.Code, tt.status)
				}
				for _, s := range tt.says {
					if !strings.Contains(body, s) {
						t.Errorf("it doesn't say %q:\n%s", s, body)
					}
				}
				for _, s := range tt.not {
					if strings.Contains(body, s) {
						t.Errorf("it says %q", s)
					}
				}
				for name, want := range map[string]string{
					"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store", "Referrer-Policy": "no-referrer",
					"Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
				} {
					if got := r.Header().Get(name); got != want {
						t.Errorf("%s: %q", name, got)
					}
				}
			})
		})
	}
}

// Every view is there as JSON, with the same filter.
func TestJSON(t *testing.T) {
	for _, tt := range []struct {
		path string
		has  string // of the compacted text
	}{
		{"index.json", `"peer_closed":1,"local_closed":1,"dropped":1`},
		{"index.json?by=code", `{"name":"4001","total":1,`},
		{"connections.json?state=busy", `"open":2,"matched":1,"connections":[{"conn":1,"role":"server","guarded":true,"remote":"192.0.2.1:1001","route":"/chat","path":"/chat","keys":["user:ann"],"attrs":[{"key":"user","value":"ann"}],"state":"busy"`},
		{"events.json?kind=peer_closed", `"ending":"peer_closed","code":1001,"name":"going away","cause":"none","clean":true,"answered":true,"sent":{"code":1001},"received":{"code":1001,"reason":"tab closed"}`},
		{"connection.json?number=5", `"state":"closing"`},
	} {
		t.Run(tt.path, func(t *testing.T) {
			afternoon(t, debug.Options{}, func(w *world) {
				r := w.get(tt.path)
				if !json.Valid(r.Body.Bytes()) || r.Header().Get("Content-Type") != "application/json" {
					t.Errorf("it is no JSON: %v", r.Header())
				}
				if !strings.Contains(r.Body.String(), tt.has) {
					t.Errorf("it hasn't %s:\n%s", tt.has, r.Body)
				}
			})
		})
	}
}

// Dropped connections that had been silent for a proxy's limit are told of in words, if
// there are enough of them.
func TestSilences(t *testing.T) {
	for _, tt := range []struct {
		name   string
		silent []time.Duration
		want   string
	}{
		{"none", nil, ""},
		{"two are chance", []time.Duration{60 * time.Second, 60 * time.Second}, ""},
		{"three of four", []time.Duration{60 * time.Second, 59200 * time.Millisecond, 61 * time.Second, 7 * time.Second}, "<strong>3 of 4</strong> dropped connections had been silent for 60 s: a proxy’s idle limit, such as nginx’s proxy_read_timeout"},
		{"Envoy's", []time.Duration{300 * time.Second, 301 * time.Second, 305 * time.Second}, "<strong>3 of 3</strong> dropped connections had been silent for 300 s"},
		{"near no limit", []time.Duration{70 * time.Second, 80 * time.Second, 90 * time.Second, 110 * time.Second}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inWorld(t, closeguard.Options{}, debug.Options{}, func(w *world) {
				for _, d := range tt.silent {
					p := w.visit("/", "192.0.2.1:1")
					time.Sleep(d)
					p.Close()
				}
				for range 5 { // what the program ends counts for nothing
					p := w.visit("/", "192.0.2.1:1")
					time.Sleep(60 * time.Second)
					p.WriteText("close 1000 ")
					p.ReadFrame()
					p.WriteClose(1000, "")
				}
				body := w.get("").Body.String()
				if told := strings.Contains(body, "idle limit"); told != (tt.want != "") || !strings.Contains(body, tt.want) {
					t.Errorf("want %q:\n%s", tt.want, body)
				}
			})
		})
	}
}

// A shutdown shows how far it is: of how many at once, and how many have ended as soon
// as the guard has told.
func TestDrain(t *testing.T) {
	inWorld(t, closeguard.Options{DrainWindow: 10 * time.Second}, debug.Options{}, func(w *world) {
		for range 10 {
			p := w.visit("/", "192.0.2.1:1")
			go func() {
				p.ReadFrame()
				p.WriteClose(1001, "")
				p.ReadToEnd()
			}()
		}
		go w.guard.Shutdown(w.t.Context())
		if body := w.get("").Body.String(); !strings.Contains(body, "Shutting down") || strings.Contains(body, "<progress") {
			t.Errorf("at first:\n%s", body)
		}
		time.Sleep(5500 * time.Millisecond)
		body := w.get("").Body.String()
		if !strings.Contains(body, "5 of 10 have ended, 5 are left") || !strings.Contains(body, `<progress id="drain" max="10" value="5">`) {
			t.Errorf("in the middle:\n%s", body)
		}
		if body := w.get("connections").Body.String(); !strings.Contains(body, "draining") || !strings.Contains(body, "5 connections are left") {
			t.Errorf("the connections:\n%s", body)
		}
		if body := w.get("index.json").Body.String(); !strings.Contains(body, `"drain":{"open":5,"ended":5,"of":10`) {
			t.Errorf("JSON: %s", body)
		}
		time.Sleep(10 * time.Second)
		if body := w.get("").Body.String(); !strings.Contains(body, "All connections have ended") {
			t.Errorf("in the end:\n%s", body)
		}
	})
}

// Nothing can be changed, and New says what it refuses.
func TestReadOnly(t *testing.T) {
	afternoon(t, debug.Options{}, func(w *world) {
		for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodDelete} {
			for _, path := range []string{"", "kick", "connections"} {
				r := ask(w, httptest.NewRequest(method, "/debug/websockets/"+path, strings.NewReader("number=1")))
				if r.Code != http.StatusMethodNotAllowed || r.Header().Get("Allow") != "GET, HEAD" {
					t.Errorf("%s %q: %d", method, path, r.Code)
				}
			}
		}
		if w.guard.Stats().Open != 2 {
			t.Error("something was closed")
		}
	})
	if _, err := debug.New(debug.Options{Events: -1}); err == nil || err.Error() != "debug: Options.Events is -1: must not be negative" {
		t.Error(err)
	}
}

// A page behind a Sample shows what comes through, and takes no sum for an event.
func TestASumIsNoEvent(t *testing.T) {
	page, err := debug.New(debug.Options{})
	if err != nil {
		t.Fatal(err)
	}
	guard, err := closeguard.New(closeguard.Options{})
	if err != nil {
		t.Fatal(err)
	}
	page.Observe(t.Context(), &closeguard.More{Kind: "dropped", Code: 1006, Count: 4211})
	answer := httptest.NewRecorder()
	page.Handler(guard).ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/events.json", nil))
	if body := answer.Body.String(); answer.Code != http.StatusOK || !strings.Contains(body, `"events":[]`) {
		t.Errorf("status %d, %s", answer.Code, body)
	}
}
