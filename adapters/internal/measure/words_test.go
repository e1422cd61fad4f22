package measure

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/closeguard/ws/closeguard"
	"github.com/closeguard/ws/closeguard/catalog"
)

func words(t *testing.T, catalogs []catalog.Names, routes ...string) *Words {
	t.Helper()
	w, err := NewWords(catalogs, routes)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// A code with a name is its number, of the others there are three words.
func TestCodes(t *testing.T) {
	w := words(t, []catalog.Names{catalog.GraphQL, catalog.Centrifugo})
	for code, want := range map[closeguard.Code]string{
		closeguard.NormalClosure: "1000", closeguard.NoStatusReceived: "1005", closeguard.AbnormalClosure: "1006",
		closeguard.BadGateway: "1014", closeguard.CodeForbidden: "3003",
		1004: "1004", 1015: "1015", // Intended may be one of them
		4400: "4400", 3500: "3500", // of the catalogs
		3002: "3xxx", 3999: "3xxx", 4000: "4xxx", 4999: "4xxx",
		0: illegal, 999: illegal, 1016: illegal, 2999: illegal, 5000: illegal, 65535: illegal, -1: illegal, 1 << 20: illegal,
	} {
		ev := &closeguard.LocalClosed{Ending: closeguard.Ending{Sent: &closeguard.CloseFrame{Code: code}}}
		if got := w.End(ev).Values[Code]; got != want {
			t.Errorf("%d is %s, want %s", code, got, want)
		}
	}
}

// A program's catalog may name every code that it means, up to a limit.
func TestCodesAreLimited(t *testing.T) {
	below := func(n closeguard.Code) catalog.Names {
		return func(_ closeguard.ConnInfo, code closeguard.Code) string {
			if code < 4000+n && code >= 4000 {
				return "mine"
			}
			return ""
		}
	}
	if w := words(t, []catalog.Names{below(256)}); w.codes.word(4255) != "4255" || w.codes.word(4256) != "4xxx" {
		t.Error("256 codes are not told apart")
	}
	if _, err := NewWords([]catalog.Names{below(257)}, nil); err == nil || !strings.Contains(err.Error(), "257 codes") {
		t.Error(err)
	}
}

func TestStatusClasses(t *testing.T) {
	for status, want := range map[int]string{
		0: "none", 101: "1xx", 200: "2xx", http.StatusFound: "3xx", 426: "4xx", 503: "5xx", 599: "5xx",
		600: other, 99: other, -1: other, -500: other, 1 << 30: other,
	} {
		if got := statusClass(status); got != want {
			t.Errorf("%d is %s, want %s", status, got, want)
		}
	}
}

func TestRefusers(t *testing.T) {
	for _, tt := range []struct {
		err  error
		want string
	}{
		{nil, "program"},
		{closeguard.ErrShutdown, "shutdown"},
		{errors.New("closeguard: http.TimeoutHandler hides http.Hijacker"), "wrapper"},
	} {
		got := words(t, nil).Refusal(&closeguard.Refused{Status: 503, Err: tt.err})
		if want := (Values{Status: "5xx", Cause: tt.want, Route: other}); got != want {
			t.Errorf("%v is %v, want %v", tt.err, got, want)
		}
	}
}

// An end without an answer counts where the library can't have answered unseen.
func TestUnanswered(t *testing.T) {
	frame := &closeguard.CloseFrame{Code: closeguard.NormalClosure}
	guarded := closeguard.ConnInfo{Guarded: true}
	for name, tt := range map[string]struct {
		ev   closeguard.CloseEvent
		want bool
	}{
		"ours":              {&closeguard.LocalClosed{Ending: closeguard.Ending{ConnInfo: guarded, Sent: frame}}, true},
		"the peer's":        {&closeguard.PeerClosed{Ending: closeguard.Ending{ConnInfo: guarded, Received: frame}}, true},
		"both":              {&closeguard.PeerClosed{Ending: closeguard.Ending{ConnInfo: guarded, Received: frame, Sent: frame}}, false},
		"none":              {&closeguard.Dropped{Ending: closeguard.Ending{ConnInfo: guarded}}, false},
		"one behind an end": {&closeguard.Dropped{Ending: closeguard.Ending{ConnInfo: guarded, Sent: frame}}, false},
		"ours, not guarded": {&closeguard.LocalClosed{Ending: closeguard.Ending{Sent: frame}}, false},
	} {
		if got := words(t, nil).End(tt.ev).Unanswered; got != tt.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// Repaired is a Close of ours that must not be sent, not one that could not be.
func TestRepaired(t *testing.T) {
	frame := func(code closeguard.Code, reason string) *closeguard.CloseFrame {
		return &closeguard.CloseFrame{Code: code, Reason: reason}
	}
	for name, tt := range map[string]struct {
		intended, sent *closeguard.CloseFrame
		role           closeguard.Role
		want           string
	}{
		"nothing":                        {nil, frame(1000, ""), closeguard.Server, ""},
		"1006":                           {frame(1006, ""), frame(1001, ""), closeguard.Server, "1006"},
		"no code":                        {frame(7, ""), frame(1011, ""), closeguard.Server, illegal},
		"a reason that is not UTF-8":     {frame(4000, "\xff"), frame(4000, "\ufffd"), closeguard.Server, "4xxx"},
		"1010 of a server":               {frame(1010, ""), frame(1011, ""), closeguard.Server, "1010"},
		"1010 of a client":               {frame(1010, ""), frame(1000, ""), closeguard.Client, ""},
		"a legal one that came too late": {frame(1001, "bye"), frame(1000, ""), closeguard.Server, ""},
		"one that was not sent at all":   {frame(1006, ""), nil, closeguard.Server, ""},
	} {
		ending := closeguard.Ending{Intended: tt.intended, Sent: tt.sent}
		ending.Role = tt.role
		if got := words(t, nil).End(&closeguard.LocalClosed{Ending: ending}).Repaired; got != tt.want {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
	}
}

// Only the routes of the list have words of their own.
func TestRoutes(t *testing.T) {
	w := words(t, nil, "/chat", "GET /{room}")
	for route, want := range map[string]string{"/chat": "/chat", "GET /{room}": "GET /{room}", "/chat/7": other, "": other, "\x1b[2J": other} {
		if got := w.route(route); got != want {
			t.Errorf("%q is %q, want %q", route, got, want)
		}
	}
}
