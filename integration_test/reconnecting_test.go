package integration_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/gorilla/websocket"

	"github.com/closeguard/ws/adapters/gorilla"
	"github.com/closeguard/ws/closeguard"
)

// reconnects is what a client did: how long it waited before each attempt, if chance
// let it wait for as long as it may, and the code that it gave up for, if it did.
type reconnects struct {
	Waits  []float64
	Final  int
	Opened int // how many of its attempts opened
}

// trial lets the helper of docs/reconnecting.md have a client. Time doesn't pass: what
// it waits for is written down, and happens at once. The clock says that a connection
// was open for as long as it is told. It ends after so many attempts.
const trial = `
async function trial(connect, url, minutesOpen, attempts) {
  const waits = [], {setTimeout, Date: {now}, Math: {random}} = globalThis;
  let opened = 0, clock = 0, final;
  Math.random = () => 1;
  Date.now = () => clock;
  await new Promise(done => {
    globalThis.setTimeout = (f, wait, ...args) => {
      if (f !== connect) return setTimeout(f, wait, ...args); // the runtime's own
      waits.push(wait);
      waits.length < attempts ? setTimeout(f, 0, ...args) : done();
    };
    connect(url, () => { opened++; clock += minutesOpen * 60_000 + 1; }, code => { final = code; done(); });
  });
  Object.assign(globalThis, {setTimeout});
  Object.assign(Date, {now});
  Object.assign(Math, {random});
  return {waits, final, opened};
}
`

// reconnectSite is what a client may meet: a server that closes each connection with the
// code that the query says, or fails if that is none, and one that has shut down.
func reconnectSite(t *testing.T, helper string) *httptest.Server {
	t.Helper()
	guard, err := closeguard.New(closeguard.Options{})
	if err != nil {
		t.Fatal(err)
	}
	ended, err := closeguard.New(closeguard.Options{})
	if err != nil {
		t.Fatal(err)
	}
	ended.Close()
	upgrader := &websocket.Upgrader{CheckOrigin: func(*http.Request) bool { return true }}
	mux := http.NewServeMux()
	mux.Handle("/closes", gorilla.Handler(guard, upgrader, func(r *http.Request, c *gorilla.Conn) error {
		code, err := strconv.Atoi(r.FormValue("code"))
		if err != nil {
			return err // 1011
		}
		if code == 1006 {
			c.Abort()
			return nil
		}
		return closeguard.Error(closeguard.Code(code), "", nil)
	}))
	mux.Handle("/refuses", ended.Middleware(http.NotFoundHandler()))
	mux.HandleFunc("/page", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		io.WriteString(w, `<script type="module">`+helper+trial+`window.connect = connect; window.trial = trial;</script>`)
	})
	s := httptest.NewServer(mux)
	t.Cleanup(func() {
		guard.Close()
		s.Close()
	})
	return s
}

// reconnectCases are the rows of the table in docs/reconnecting.md, and ways not to get
// through.
var reconnectCases = []struct {
	name        string
	path        string
	minutesOpen int
	want        string
}{
	{"done", "/closes?code=1000", 0, "stays away: 1000"},
	{"a deploy", "/closes?code=1001", 5, "waits 2s 2s 2s 2s 2s 2s 2s"},
	{"a deploy of a server that fails at once", "/closes?code=1001", 0, "waits 2s 4s 8s 16s 32s 60s 60s"},
	{"protocol error", "/closes?code=1002", 0, "stays away: 1002"},
	{"unsupported data", "/closes?code=1003", 0, "stays away: 1003"},
	{"a crash", "/closes?code=1006", 5, "waits 2s 2s 2s 2s 2s 2s 2s"},
	{"invalid data", "/closes?code=1007", 0, "stays away: 1007"},
	{"not allowed", "/closes?code=1008", 0, "stays away: 1008"},
	{"too big", "/closes?code=1009", 0, "stays away: 1009"},
	{"failed", "/closes", 0, "waits 2s 4s 8s 16s 32s 60s 60s"},
	{"restart", "/closes?code=1012", 5, "waits 2s 2s 2s 2s 2s 2s 2s"},
	{"overloaded", "/closes?code=1013", 0, "waits 2s 4s 8s 16s 32s 60s 60s"},
	{"unauthorized", "/closes?code=3000", 0, "stays away: 3000"},
	{"forbidden", "/closes?code=3003", 0, "stays away: 3003"},
	{"token expired", "/closes?code=4401", 0, "stays away: 4401"},
	{"a code of the program's", "/closes?code=4000", 5, "waits 2s 2s 2s 2s 2s 2s 2s"},
	{"refused by a guard that shuts down", "/refuses", 0, "waits 2s 4s 8s 16s 32s 60s 60s"},
}

func (r reconnects) String() string {
	if r.Final != 0 {
		return fmt.Sprintf("stays away: %d", r.Final)
	}
	var b strings.Builder
	b.WriteString("waits")
	for _, ms := range r.Waits {
		fmt.Fprintf(&b, " %gs", ms/1000)
	}
	return b.String()
}

// The helper of docs/reconnecting.md comes back where that makes sense, later and later,
// and stays away where the page says so: in Node.js and in Chromium, from guarded servers.
func TestReconnecting(t *testing.T) {
	helper := only(t, documents(t)["reconnecting.md"], "js")
	if n := strings.Count(helper, "\n"); n > 15 {
		t.Errorf("%d lines, want at most 15", n)
	}
	site := reconnectSite(t, helper)
	url := "ws" + strings.TrimPrefix(site.URL, "http")
	t.Run("Node.js", func(t *testing.T) {
		node, err := exec.LookPath("node")
		if err != nil {
			t.Fatal("node is missing: scripts/setup installs it")
		}
		var script strings.Builder
		script.WriteString(helper + trial)
		for _, tt := range reconnectCases {
			fmt.Fprintf(&script, "console.log(JSON.stringify(await trial(connect, %q, %d, 7)));\n", url+tt.path, tt.minutesOpen)
		}
		script.WriteString("process.exit();\n")
		file := filepath.Join(t.TempDir(), "trial.mjs")
		if err := os.WriteFile(file, []byte(script.String()), 0o600); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(node, "--no-warnings", "--experimental-websocket", file)
		cmd.Stderr = os.Stderr
		out, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		answers := json.NewDecoder(strings.NewReader(string(out)))
		for _, tt := range reconnectCases {
			var got reconnects
			if err := answers.Decode(&got); err != nil {
				t.Fatal(err)
			}
			expectReconnects(t, tt.name, tt.path, tt.want, got)
		}
	})
	t.Run("Chromium", func(t *testing.T) {
		tab := openTab(t, site.URL+"/page")
		tab.await(t, "window.trial")
		for _, tt := range reconnectCases {
			var got reconnects
			said := tab.eval(t, fmt.Sprintf("trial(connect, %q, %d, 7)", url+tt.path, tt.minutesOpen))
			if err := json.Unmarshal(said, &got); err != nil {
				t.Fatalf("%v: %s", err, said)
			}
			expectReconnects(t, tt.name, tt.path, tt.want, got)
		}
	})
}

func expectReconnects(t *testing.T, name, path, want string, got reconnects) {
	t.Helper()
	if got.String() != want {
		t.Errorf("%s: %v, want %s", name, got, want)
	}
	if opened := max(1, len(got.Waits)); path != "/refuses" && got.Opened != opened {
		t.Errorf("%s: %d opened, want %d", name, got.Opened, opened)
	}
}
