package integration_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/closeguard/ws/integration_test/rawpeer"
)

// maxAdded is how many lines the README may ask of a newcomer, without imports.
const maxAdded = 12

// newcomers are servers as they are before anybody has heard of closeguard. They
// differ from what the README shows in their router alone.
var newcomers = []struct{ router, imports, handler, routes, engine string }{
	{"chi", `"github.com/go-chi/chi/v5"`,
		`func room(w http.ResponseWriter, r *http.Request) {
	user := r.FormValue("user")
	conn, err := upgrader.Upgrade(w, r, nil)`,
		`	router := chi.NewRouter()
	router.Get("/ws", room)`, "router"},
	{"gin", `"github.com/gin-gonic/gin"`,
		`func room(c *gin.Context) {
	user := c.Query("user")
	conn, err := upgrader.Upgrade(c.Writer, c.Request, nil)`,
		`	engine := gin.New()
	engine.GET("/ws", room)`, "engine"},
	{"echo", `"github.com/labstack/echo/v4"`,
		`func room(c echo.Context) (failed error) {
	user := c.QueryParam("user")
	conn, err := upgrader.Upgrade(c.Response(), c.Request(), nil)`,
		`	e := echo.New()
	e.GET("/ws", room)`, "e"},
}

const newcomer = `package main

import (
	"log"
	"net/http"

	%[1]s
	"github.com/gorilla/websocket"
)

var upgrader websocket.Upgrader

%[2]s
	if err != nil {
		return
	}
	defer conn.Close()
	for {
		_, message, err := conn.ReadMessage()
		if err != nil || conn.WriteMessage(websocket.TextMessage, []byte(user+": "+string(message))) != nil {
			return
		}
	}
}

func main() {
%[3]s
	log.Fatal(http.ListenAndServe(":8080", %[4]s))
}
`

// The README's server does what the README says of it, and with its lines a chi, a gin
// and an echo server do the same: the user is in the log line, and SIGTERM tells every
// client goodbye.
func TestTheREADMEsServers(t *testing.T) {
	readme := documents(t)["README.md"]
	server := section(t, readme, "Guard a server")
	program := only(t, server, "go")
	t.Run("ServeMux", func(t *testing.T) {
		if cells(t, server, "ServeMux")[0] != "guard.Middleware(mux)" {
			t.Error("the table doesn't say what the program does")
		}
		line := tryServer(t, program)
		if want := only(t, server, "text"); alike(line) != alike(strings.TrimSpace(want)) {
			t.Errorf("the log line is\n%s\nand the README has\n%s", line, want)
		}
	})
	for _, n := range newcomers {
		t.Run(n.router, func(t *testing.T) {
			before := fmt.Sprintf(newcomer, n.imports, n.handler, n.routes, n.engine)
			after, added := follow(t, before, program, cells(t, server, n.router), n.engine)
			if added > maxAdded {
				t.Errorf("%d lines added, want at most %d:\n%s", added, maxAdded, after)
			}
			tryServer(t, after)
		})
	}
}

// cells are a router's in the README's table.
func cells(t *testing.T, server, router string) []string {
	t.Helper()
	m := regexp.MustCompile("(?m)^\\| " + router + " \\| `(.*)` \\| `(.*)` \\|$").FindStringSubmatch(server)
	if m == nil {
		t.Fatalf("the table has no %s", router)
	}
	return m[1:]
}

// follow does to a newcomer's program what the README says, and counts the lines that
// are new in it, without imports.
func follow(t *testing.T, before, program string, cells []string, engine string) (after string, added int) {
	t.Helper()
	from, to := strings.Index(program, "\tguard, err :="), strings.LastIndex(program, "}\n")
	if from < 0 || to < from {
		t.Fatalf("the README's program has another shape:\n%s", program)
	}
	guarding := strings.Replace(program[from:to], "guard.Middleware(mux)", cells[0], 1)
	old := "\tlog.Fatal(http.ListenAndServe(\":8080\", " + engine + "))\n"
	user := regexp.MustCompile(`\tuser := .*\n`).FindString(before)
	after = strings.Replace(before, old, guarding, 1)
	after = strings.Replace(after, user, user+"\t"+cells[1]+"\n", 1)
	_, imports, _ := strings.Cut(program, "import (\n")
	imports, _, _ = strings.Cut(imports, ")")
	for line := range strings.Lines(imports) {
		if strings.TrimSpace(line) != "" && !strings.Contains(after, line) {
			after = strings.Replace(after, "import (\n", "import (\n"+line, 1)
		}
	}
	return after, strings.Count(guarding, "\n") + 1
}

// tryServer runs a server with two clients and returns the first one's log line.
func tryServer(t *testing.T, source string) (line string) {
	t.Helper()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := free.Addr().String()
	free.Close()
	if !strings.Contains(source, `":8080"`) {
		t.Fatal("it doesn't listen on port 8080")
	}
	binary := filepath.Join(t.TempDir(), "server")
	compile(t, ".", strings.Replace(source, `":8080"`, `"`+addr+`"`, 1), binary)
	p := launch(t, binary, addr)

	ann := rawpeer.Dial(t, "ws://"+addr+"/ws?user=ann")
	if err := ann.Write(rawpeer.Text("hello")); err != nil {
		t.Fatal(err)
	}
	if f, _ := ann.ReadFrame(); !strings.HasSuffix(string(f.Payload), "hello") {
		t.Errorf("got %v", f)
	}
	if err := ann.Write(rawpeer.Close(1001, "tab closed")); err != nil {
		t.Fatal(err)
	}
	ann.ReadUntilEnd()
	line = p.await(t, "websocket closed", "ending=peer_closed", "code=1001", `reason="tab closed"`, "user=ann")

	ben := rawpeer.Dial(t, "ws://"+addr+"/ws?user=ben")
	if err := ben.Write(rawpeer.Text("hello")); err != nil {
		t.Fatal(err)
	}
	ben.ReadFrame()
	p.cmd.Process.Signal(syscall.SIGTERM) // await tells
	if f, _ := ben.ReadFrame(); f.String() != `close 1001 "server shutting down"` {
		t.Errorf("at SIGTERM the client reads %v", f)
	}
	if err := ben.Write(rawpeer.Close(1001, "")); err != nil {
		t.Fatal(err)
	}
	ben.ReadUntilEnd()
	p.await(t, "websocket closed", "cause=shutdown", "clean=true", "user=ben")
	p.await(t, "1 connections in", "1 answered", "<nil>")
	if err := p.cmd.Wait(); err != nil {
		t.Error(err)
	}
	return line
}

// launched is a program that logs to its standard error.
type launched struct {
	cmd   *exec.Cmd
	lines chan string // closed at its end
	log   []string    // what was read of them
}

// launch runs a program until it can be connected to.
func launch(t *testing.T, binary, addr string) *launched {
	t.Helper()
	p := &launched{cmd: exec.Command(binary), lines: make(chan string, 1000)}
	stderr, err := p.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.cmd.Process.Kill() }) // it may have ended
	go func() {
		defer close(p.lines)
		for s := bufio.NewScanner(stderr); s.Scan(); {
			p.lines <- s.Text()
		}
	}()
	for deadline := time.Now().Add(10 * time.Second); ; {
		c, err := net.Dial("tcp", addr)
		if err == nil {
			c.Close()
			return p
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}

// await reads the log up to a line that has all of these texts.
func (p *launched) await(t *testing.T, texts ...string) string {
	t.Helper()
	timeout := time.After(10 * time.Second)
	for {
		select {
		case line, ok := <-p.lines:
			if !ok {
				t.Fatalf("the server has ended without a line with %q:\n%s", texts, strings.Join(p.log, "\n"))
			}
			p.log = append(p.log, line)
			if !slices.ContainsFunc(texts, func(text string) bool { return !strings.Contains(line, text) }) {
				return line
			}
		case <-timeout:
			t.Fatalf("no line with %q in\n%s", texts, strings.Join(p.log, "\n"))
		}
	}
}

// alike is a log line without what differs from run to run.
func alike(line string) string {
	return regexp.MustCompile(`^\S+ \S+ |_ms=\d+|127\.0\.0\.1:\d+`).ReplaceAllString(line, "~")
}

// The README's command line starts the echo example, with a log for people.
func TestEchoAsTheREADMEStartsIt(t *testing.T) {
	command := strings.Fields(only(t, section(t, documents(t)["README.md"], "See it"), "sh"))
	if len(command) < 4 || strings.Join(command[:4], " ") != "go run -modfile=newest.mod ./examples/echo" {
		t.Fatalf("%q", command)
	}
	args := command[4:]
	if i := slices.Index(args, "#"); i >= 0 {
		args = args[:i]
	}
	binary := filepath.Join(t.TempDir(), "echo")
	build := exec.Command("go", "build", "-o", binary, command[2], command[3])
	build.Dir = ".."
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	echo := exec.Command(binary, append(args, "-addr", "127.0.0.1:0")...)
	stdout, err := echo.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := echo.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { echo.Process.Kill() }) // it may have ended
	lines := bufio.NewScanner(stdout)
	lines.Scan()
	url := regexp.MustCompile(`\tINFO\tlistening\t\{"url": "(http://.*)"\}$`).FindStringSubmatch(lines.Text())
	if url == nil {
		t.Fatalf("the first line is %q", lines.Text())
	}
	page, err := http.Get(url[1])
	if err != nil {
		t.Fatal(err)
	}
	defer page.Body.Close()
	newest, err := os.ReadFile("../newest.mod")
	if err != nil {
		t.Fatal(err)
	}
	release := regexp.MustCompile(`coder/websocket v\S+`).FindString(string(newest))
	if b, err := io.ReadAll(page.Body); err != nil || !strings.Contains(string(b), "Run all") || !strings.Contains(string(b), release) {
		t.Errorf("%v, no %q in %s", err, release, b)
	}
	p := rawpeer.Dial(t, "ws"+strings.TrimPrefix(url[1], "http")+"gorilla")
	if err := p.Write(rawpeer.Close(4000, "bye")); err != nil {
		t.Fatal(err)
	}
	p.ReadUntilEnd()
	lines.Scan()
	if !strings.Contains(lines.Text(), "\tINFO\twebsocket closed\t") || !strings.Contains(lines.Text(), `"received_reason": "bye"`) {
		t.Errorf("the line of an end is %q", lines.Text())
	}
	echo.Process.Signal(syscall.SIGTERM) // Wait tells
	for lines.Scan() {
	}
	if err := echo.Wait(); err != nil {
		t.Error(err)
	}
}
