package integration_test

import (
	"strings"
	"testing"

	"github.com/gorilla/websocket"
)

// The live page in a browser: it breaks no rule of its own policy, is kept up to date,
// works without scripts, fits a telephone and can be dark.
func TestLivePage(t *testing.T) {
	base := startEcho(t) + "/"
	url := base + "debug/websockets/"
	var conns []*websocket.Conn
	dial := func(path string) {
		t.Helper()
		ws, _, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(base, "http")+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { ws.Close() })
		conns = append(conns, ws)
	}
	dial("gorilla?t=%3Cimg+src=x+onerror=alert(1)%3E")
	dial("plain/coder?t=a%E2%80%AEb")

	tab := openTab(t, "about:blank")
	tab.call(t, "Log.enable", map[string]any{})
	tab.call(t, "Runtime.enable", map[string]any{})
	open := func(view string) {
		t.Helper()
		tab.navigate(t, url+view)
	}
	holds := func(what, expression string) {
		t.Helper()
		if got := string(tab.eval(t, expression)); got != "true" {
			t.Errorf("%s: %s is %s", what, expression, got)
		}
	}

	t.Run("it is kept up to date", func(t *testing.T) {
		open("")
		tab.await(t, `document.getElementById('status').textContent === 'live' && document.querySelector('.tiles dd').textContent === '2'`)
		dial("coder")
		tab.await(t, `document.querySelector('.tiles dd').textContent === '3'`)
		tab.eval(t, `document.getElementById('numbers')?.setAttribute('open', '')`)
		closing := websocket.FormatCloseMessage(4321, "<b>bye</b>")
		if err := conns[0].WriteMessage(websocket.CloseMessage, closing); err != nil {
			t.Fatal(err)
		}
		tab.await(t, `document.querySelector('.events')?.textContent.includes('4321 private use "<b>bye</b>"')`)
		holds("markup is text", `!document.querySelector('.events b b, img[src=x]')`)
		holds("the attribute is shown", `document.querySelector('.events').textContent.includes('tag=<img src=x onerror=alert(1)>')`)
		holds("what turns text around is an escape", `document.querySelector('.conns').textContent.includes('tag=a\\u202eb')`)

		tab.eval(t, `document.getElementById('pause').click()`)
		holds("it can be paused", `document.getElementById('status').textContent === 'paused'`)
		dial("coder")
		tab.eval(t, `new Promise(done => source.addEventListener('update', done, {once: true}))`)
		holds("it stands still", `document.querySelector('.tiles dd').textContent === '2'`)
		tab.eval(t, `document.getElementById('pause').click()`)
		tab.await(t, `document.querySelector('.tiles dd').textContent === '3'`)

		tab.eval(t, `document.querySelector('a[href*="by=code"]').focus()`)
		dial("coder")
		tab.await(t, `document.querySelector('.tiles dd').textContent === '4'`)
		tab.eval(t, `new Promise(done => source.addEventListener('update', done, {once: true}))`)
		holds("the focus stays", `document.activeElement.matches('a[href*="by=code"]')`)
	})
	views := []string{"", "?by=code&span=1h", "connections", "events", "connection?number=1", "connection?number=2", "nothing"}
	t.Run("everything has a name", func(t *testing.T) {
		for _, view := range views {
			open(view)
			holds(view, `[...document.querySelectorAll('input:not([type=hidden]), select')].every(e => e.labels.length === 1)`)
			holds(view, `[...document.querySelectorAll('th')].every(e => e.scope)`)
			holds(view, `document.querySelectorAll('main, header, footer, nav[aria-label]').length === 4 && document.querySelectorAll('h1').length === 1`)
			holds(view, `[...document.querySelectorAll('svg')].every(e => e.getAttribute('role') === 'img' && document.getElementById('chart-text').textContent.includes('ended in the last'))`)
		}
	})
	t.Run("it fits a telephone, and can be dark", func(t *testing.T) {
		tab.call(t, "Emulation.setDeviceMetricsOverride", map[string]any{"width": 390, "height": 844, "deviceScaleFactor": 1, "mobile": true})
		tab.call(t, "Emulation.setEmulatedMedia", map[string]any{"features": []any{map[string]string{"name": "prefers-color-scheme", "value": "dark"}}})
		for _, view := range views {
			open(view)
			holds(view, `document.documentElement.scrollWidth <= 390`)
			holds(view, `getComputedStyle(document.body).backgroundColor === 'rgb(18, 20, 23)'`)
		}
	})
	t.Run("it needs no script", func(t *testing.T) {
		tab.call(t, "Emulation.setScriptExecutionDisabled", map[string]any{"value": true})
		open("events")
		holds("nothing is live", `document.getElementById('live').hidden`)
		tab.loads(t, func() {
			tab.eval(t, `document.querySelector('[name=kind]').value = 'peer_closed', document.querySelector('.filter button').click()`)
		})
		holds("the filter is asked for", `location.search.includes('kind=peer_closed')`)
		holds("the filter works", `document.querySelectorAll('.events tbody tr').length === 1 && document.querySelector('[name=kind]').value === 'peer_closed'`)
	})
	for _, c := range tab.complaints {
		if !strings.Contains(c, "404") { // that is the view that there isn't
			t.Errorf("the browser complains: %s", c)
		}
	}
}
