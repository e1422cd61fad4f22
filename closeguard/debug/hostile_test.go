package debug_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"runtime"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/closeguard/ws/closeguard"
	"github.com/closeguard/ws/closeguard/debug"
)

// hostile are texts that peers may choose where nothing keeps them from it, and what
// shows that a page took them as they are.
var hostile = []struct{ name, text string }{
	{"markup", `<script>alert(1)</script><img src=x onerror=alert(1)>`},
	{"an end of an attribute", `" onfocus=alert(1) autofocus x="'`},
	{"an end of a line", "x\r\n\r\nevent: bye\r\ndata: {}\r\n\r\n"},
	{"control characters", "\x00\x1b[2J\x07\x7f\u0085"},
	{"text turned around", "\u202egpj.exe\u2066\u2069\u200f"},
	{"nothing to be seen", "a\u200b\u00ad\u2060\ufeff\u3164\u115f\u2800\U000e0041\ufe0fb"},
	{"no UTF-8", "\xff\xc0\xaf\xed\xa0\x80"},
	{"line separators", "a\u2028b\u2029c"},
	{"a script's end in JSON", `</script><!--`},
	{"an escape of its own", `\u202e\\`},
	{"much", strings.Repeat("🦀", 5000)},
}

// shows reports what of a page isn't as it should be: a character that can't be seen, or
// something that the page has not by itself.
func shows(page string) error {
	if !utf8.ValidString(page) {
		return fmt.Errorf("it is no UTF-8")
	}
	for _, r := range page {
		if r != '\n' && (!unicode.IsPrint(r) || unicode.In(r, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector) || r == '\u2800') {
			return fmt.Errorf("there is %U in it", r)
		}
	}
	for _, s := range []string{"<script>", "<img src=x", `" onfocus`, "<!--", `x="'`} {
		if strings.Contains(page, s) {
			return fmt.Errorf("there is %s in it", s)
		}
	}
	return nil
}

// visitHostile opens two connections of which everything is the text, and ends one.
func (w *world) visitHostile(text string) (end func()) {
	ctx := w.t.Context()
	w.page.Observe(ctx, &closeguard.Opened{ConnInfo: infoOf(1, text)})
	w.page.Observe(ctx, &closeguard.Refused{ConnInfo: infoOf(0, text), Status: 403, Err: fmt.Errorf("%s", text)})
	w.page.Observe(ctx, &closeguard.PeerClosed{Ending: closeguard.Ending{
		ConnInfo: infoOf(1, text),
		Received: &closeguard.CloseFrame{Code: 4000, Reason: text},
		Sent:     &closeguard.CloseFrame{Code: 4000, Reason: text},
		Intended: &closeguard.CloseFrame{Code: 1006, Reason: text},
		Err:      fmt.Errorf("%s", text),
	}})
	p := w.visit("/", strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return -1 // no field of a request may have them
		}
		return r
	}, text))
	w.name <- func(h *closeguard.Handle) {
		h.SetRoute(text)
		h.SetKeys(text, text+"2")
		h.SetAttrs(infoOf(1, text).Attrs...)
	}
	p.WriteText("name")
	return func() { p.Close() }
}

func infoOf(n uint64, text string) closeguard.ConnInfo {
	return closeguard.ConnInfo{
		Number: n, Remote: text, Route: text, Path: text, Subprotocol: text, Offered: []string{text}, Keys: []string{text},
		Attrs: []slog.Attr{slog.String(text, text), slog.Any("any", struct{ S string }{text}), slog.Group(text, slog.String(text, text))},
	}
}

// Whatever a peer chose is shown as text, what can't be seen as an escape, in every
// view, in JSON and in updates; and so is a query.
func TestHostileTexts(t *testing.T) {
	for _, tt := range hostile {
		t.Run(tt.name, func(t *testing.T) {
			inWorld(t, closeguard.Options{}, debug.Options{Kick: func(*http.Request) bool { return true }}, func(w *world) {
				defer w.visitHostile(tt.text)()
				query := link(tt.text)
				for _, path := range []string{
					"", "connections", "events", "events?kind=ended", "connection?number=1", "connection?number=2",
					"connections" + query, "events" + query, "events?kind=" + query[len("?route="):], "connections?from=" + query[len("?route="):],
				} {
					r := w.get(path)
					if err := shows(r.Body.String()); err != nil {
						t.Errorf("%q: %v:\n%s", path, err, r.Body)
					}
				}
				for _, path := range []string{"index.json", "connections.json", "events.json", "connection.json?number=1"} {
					r := w.get(path)
					if err := shows(r.Body.String()); err != nil && !strings.Contains(err.Error(), "onfocus") && !strings.Contains(err.Error(), "x=") {
						t.Errorf("%q: %v", path, err)
					}
					if !json.Valid(r.Body.Bytes()) {
						t.Errorf("%q: it is no JSON: %s", path, r.Body)
					}
				}
				for _, view := range []string{"", "connections", "events", "connection"} {
					text := w.updates("live?number=2&view="+view, 1)
					lines := strings.Split(text, "\n")
					if err := shows(text); err != nil && !strings.Contains(err.Error(), "x=") || len(lines) != 4 || lines[0] != "event: update" || !strings.HasPrefix(lines[1], "data: {") || lines[2]+lines[3] != "" {
						t.Errorf("the updates of %q: %v: %q", view, err, text)
					}
				}
			})
		})
	}
}

// A text that is shown can be copied into a filter, and finds what it stands for.
func TestWhatIsShownCanBeSearched(t *testing.T) {
	inWorld(t, closeguard.Options{}, debug.Options{}, func(w *world) {
		defer w.visitHostile("\u202ea\\b\xff")()
		for _, path := range []string{"connections?key=" + url.QueryEscape(`\u202ea\\b\xff`), "events?key=" + url.QueryEscape(`\u202ea\\b\xff`)} {
			if body := w.get(path).Body.String(); !strings.Contains(body, `\u202ea\\b\xff`) || strings.Contains(body, "<b>0</b>") {
				t.Errorf("%s:\n%s", path, body)
			}
		}
	})
}

// However many different texts and codes peers choose, what is kept doesn't grow
// beyond what the options say.
func TestNothingGrowsWithWhatPeersChoose(t *testing.T) {
	page, err := debug.New(debug.Options{Events: 100})
	if err != nil {
		t.Fatal(err)
	}
	tell := func(n int) {
		for i := range n {
			info := infoOf(uint64(i), fmt.Sprint(i, " ", strings.Repeat("🦀", 80)))
			for range 20 {
				info.Attrs, info.Keys = append(info.Attrs, info.Attrs[0]), append(info.Keys, info.Keys[0])
			}
			page.Observe(t.Context(), &closeguard.Opened{ConnInfo: info})
			page.Observe(t.Context(), &closeguard.PeerClosed{Ending: closeguard.Ending{
				ConnInfo: info, Received: &closeguard.CloseFrame{Code: closeguard.Code(3000 + i%2000), Reason: info.Path}, Err: fmt.Errorf("%s", info.Path),
			}})
		}
	}
	for range 100 {
		page.Observe(t.Context(), &closeguard.PeerClosed{Ending: closeguard.Ending{
			ConnInfo: infoOf(1, strings.Repeat("x", 100<<10)), Err: fmt.Errorf("%s", strings.Repeat("x", 100<<10)),
		}})
	}
	if n := heap(); n > 100*20<<10+8<<20 {
		t.Errorf("%d bytes for 100 long events", n)
	}
	tell(100)
	before := heap()
	tell(50_000 / slack) // 100,000 texts
	if grown := int64(heap()) - int64(before); grown > 256<<10 {
		t.Errorf("it has grown by %d bytes", grown)
	}
	if before > 200*20<<10+8<<20 {
		t.Errorf("%d bytes for 200 events", before)
	}
	runtime.KeepAlive(page)
}

// heap is how much is on the heap after two collections.
func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
