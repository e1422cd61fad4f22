package integration_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

// verdict is what the echo example's page says of a case.
type verdict struct{ Case, Library, Bare, Guarded string }

// The page says of every case how it went: with closeguard that both sides know
// the same, by its adapters and by its middleware; without it, that they do where
// they do. Where a code is lost without it depends on the machine, and isn't asserted.
func TestPage(t *testing.T) {
	base := startEcho(t)
	tab := openTab(t, base)
	known := []string{ // without closeguard, too
		"Server closes, 1000 coder", "Server leaves, 1001 coder",
		"Browser closes, 4000 gorilla", "Browser closes, 4000 coder",
		"Browser closes without a code gorilla", "Browser closes without a code coder",
	}
	for _, with := range []string{"/", "/plain/"} {
		t.Run("with "+with, func(t *testing.T) {
			tab.eval(t, `document.querySelector('input[value="`+with+`"]').click(), document.getElementById('all').click()`)
			tab.await(t, `document.getElementById('status').textContent === 'Done.' || document.getElementById('problem').textContent`)
			if problem := tab.eval(t, `document.getElementById('problem').textContent`); string(problem) != `""` {
				t.Errorf("the page says %s", problem)
			}
			var verdicts []verdict
			said := tab.eval(t, `groups.flatMap(g => g.rows.map(r => ({case: g.test.name, library: r.library, bare: r.verdicts.bare, guarded: r.verdicts.guarded})))`)
			if err := json.Unmarshal(said, &verdicts); err != nil || len(verdicts) != 20 {
				t.Fatalf("%d verdicts, %v: %s", len(verdicts), err, said)
			}
			bare := make(map[string]string)
			for _, v := range verdicts {
				name := v.Case + " " + v.Library
				bare[name] = v.Bare
				t.Logf("%-45s %-7s %s", name, v.Bare, v.Guarded)
				if v.Guarded != "same" {
					t.Errorf("%s: %q with closeguard", name, v.Guarded)
				}
			}
			for _, name := range known {
				if bare[name] != "same" {
					t.Errorf("%s: %q without closeguard, but both sides know it", name, bare[name])
				}
			}
			for _, name := range []string{"Server closes, 1000 gorilla", "Server leaves, 1001 gorilla", "Handler panics gorilla", "Handler panics coder"} {
				if bare[name] == "same" {
					t.Errorf("%s: the server can't know that without closeguard", name)
				}
			}
		})
	}
	if cell := tab.eval(t, `document.querySelector('#results').textContent.includes('/panicThe server logs its stack')`); string(cell) != "true" {
		t.Error("the panic case doesn't say that it logs a stack")
	}
}

// tab is a page in Chromium, driven by its DevTools protocol.
type tab struct {
	ws         *websocket.Conn
	last       int      // the number of the last call
	loaded     int      // pages, so far
	complaints []string // of the page, once the domains Log and Runtime are enabled
}

// openTab starts Chromium with a page, for as long as the test runs.
func openTab(t *testing.T, url string) *tab {
	t.Helper()
	chromium, err := exec.LookPath("chromium")
	if err != nil {
		t.Fatal("chromium is missing: scripts/setup installs it")
	}
	cmd := exec.Command(chromium, "--headless=new", "--no-sandbox", "--disable-gpu", "--user-data-dir="+t.TempDir(), "--no-first-run",
		"--disable-background-networking", "--disable-component-update", "--disable-sync", "--remote-debugging-port=0", "about:blank")
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	over := make(chan struct{}) // closed when the last of its processes has ended: they share stderr
	t.Cleanup(func() {
		syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // they may have ended
		<-over                                          // they write to the profile, which is removed now
		cmd.Wait()                                      // it was killed
	})
	address := ""
	for lines := bufio.NewScanner(stderr); address == "" && lines.Scan(); {
		_, address, _ = strings.Cut(lines.Text(), "DevTools listening on ws://")
	}
	go func() {
		defer close(over)
		io.Copy(io.Discard, stderr)
	}()
	host, _, _ := strings.Cut(address, "/")
	resp, err := http.Get("http://" + host + "/json/list")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	type target struct{ Type, WebSocketDebuggerURL string }
	var targets []target
	if err := json.NewDecoder(resp.Body).Decode(&targets); err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(targets, func(t target) bool { return t.Type == "page" })
	if i < 0 {
		t.Fatal("Chromium has no page")
	}
	b := &tab{}
	if b.ws, _, err = websocket.DefaultDialer.Dial(targets[i].WebSocketDebuggerURL, nil); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.ws.Close() })
	b.call(t, "Page.enable", map[string]any{})
	b.navigate(t, url)
	return b
}

// navigate opens a page in it.
func (b *tab) navigate(t *testing.T, url string) {
	t.Helper()
	b.loads(t, func() { b.call(t, "Page.navigate", map[string]any{"url": url}) })
}

// loads waits until another page has loaded, to which leave leads. No call may be under
// way in between: it would end with the page that it is about.
func (b *tab) loads(t *testing.T, leave func()) {
	t.Helper()
	before := b.loaded
	for leave(); b.loaded == before; {
		b.receive(t)
	}
}

// message is what Chromium sends: the answer to a call, or an event.
type message struct {
	ID     int
	Result json.RawMessage
	Error  any
	Method string
	Params json.RawMessage
}

// call calls a method of the DevTools protocol.
func (b *tab) call(t *testing.T, method string, params any) json.RawMessage {
	t.Helper()
	b.last++
	if err := b.ws.WriteJSON(map[string]any{"id": b.last, "method": method, "params": params}); err != nil {
		t.Fatal(err)
	}
	for {
		if m := b.receive(t); m.ID == b.last {
			if m.Error != nil {
				t.Fatalf("%s: %v", method, m.Error)
			}
			return m.Result
		}
	}
}

// receive takes the next message.
func (b *tab) receive(t *testing.T) message {
	t.Helper()
	b.ws.SetReadDeadline(time.Now().Add(2 * time.Minute)) // ReadJSON tells
	var m message
	if err := b.ws.ReadJSON(&m); err != nil {
		t.Fatal(err)
	}
	switch m.Method {
	case "Page.loadEventFired":
		b.loaded++
	case "Log.entryAdded", "Runtime.exceptionThrown", "Runtime.consoleAPICalled":
		b.complaints = append(b.complaints, string(m.Params))
	}
	return m
}

// eval evaluates an expression in the page; it waits for a promise.
func (b *tab) eval(t *testing.T, expression string) json.RawMessage {
	t.Helper()
	var answer struct {
		Result           struct{ Value json.RawMessage }
		ExceptionDetails any
	}
	result := b.call(t, "Runtime.evaluate", map[string]any{"expression": expression, "returnByValue": true, "awaitPromise": true})
	if err := json.Unmarshal(result, &answer); err != nil || answer.ExceptionDetails != nil {
		t.Fatalf("%s: %v, %v", expression, err, answer.ExceptionDetails)
	}
	return answer.Result.Value
}

// await waits, in the page, until a condition holds.
func (b *tab) await(t *testing.T, condition string) {
	t.Helper()
	b.eval(t, fmt.Sprintf(`new Promise(done => { const look = () => (%s) ? done(true) : setTimeout(look, 50); look() })`, condition))
}
