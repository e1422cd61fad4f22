package main

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

// asProcess makes the test binary the command itself.
const asProcess = "MINIMAL_AS_PROCESS"

func TestMain(m *testing.M) {
	if os.Getenv(asProcess) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// It is short enough to be read before it is copied.
func TestItIsShort(t *testing.T) {
	source, err := os.ReadFile("main.go")
	if err != nil {
		t.Fatal(err)
	}
	n := bytes.Count(source, []byte("\n"))
	if n > 60 {
		t.Errorf("%d lines, want at most 60", n)
	}
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(readme, fmt.Appendf(nil, "in %d lines", n)) {
		t.Errorf("the README doesn't say that it has %d lines", n)
	}
}

// process is the command, on a port of its own.
type process struct {
	*exec.Cmd
	addr  string
	lines chan string // of its log, closed at its end
	log   []string    // what was read of them
}

func start(t *testing.T) *process {
	t.Helper()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &process{addr: free.Addr().String(), lines: make(chan string, 100)}
	free.Close()
	p.Cmd = exec.Command(os.Args[0], p.addr)
	p.Env = append(os.Environ(), asProcess+"=1")
	stderr, err := p.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(p.lines)
		for s := bufio.NewScanner(stderr); s.Scan(); {
			p.lines <- s.Text()
		}
	}()
	t.Cleanup(func() { p.Process.Kill() })
	for deadline := time.Now().Add(10 * time.Second); ; {
		if c, err := net.Dial("tcp", p.addr); err == nil {
			c.Close()
			return p
		} else if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}

// await reads the log up to a line that has all of these texts.
func (p *process) await(t *testing.T, texts ...string) {
	t.Helper()
	timeout := time.After(10 * time.Second)
	for {
		select {
		case line, ok := <-p.lines:
			p.log = append(p.log, line)
			missing := 0
			for _, text := range texts {
				if !strings.Contains(line, text) {
					missing++
				}
			}
			switch {
			case !ok:
				t.Fatalf("no line with %q in\n%s", texts, strings.Join(p.log, "\n"))
			case missing == 0:
				return
			}
		case <-timeout:
			t.Fatalf("no line with %q yet in\n%s", texts, strings.Join(p.log, "\n"))
		}
	}
}

func (p *process) enter(t *testing.T, user string) *websocket.Conn {
	t.Helper()
	c, _, err := websocket.DefaultDialer.Dial("ws://"+p.addr+"/room?user="+user, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetReadDeadline(time.Now().Add(10 * time.Second))
	return c
}

func say(t *testing.T, c *websocket.Conn, text string) {
	t.Helper()
	if err := c.WriteMessage(websocket.TextMessage, []byte(text)); err != nil {
		t.Fatal(err)
	}
}

// hear reads up to a message: what was said just before may come to a newcomer, too.
func hear(t *testing.T, c *websocket.Conn, want string) {
	t.Helper()
	for {
		_, text, err := c.ReadMessage()
		if err != nil {
			t.Fatalf("%v, want %q", err, want)
		}
		if string(text) == want {
			return
		}
	}
}

// closed reads up to the Close.
func closed(t *testing.T, c *websocket.Conn, code int, reason string) {
	t.Helper()
	err := error(nil)
	for err == nil {
		_, _, err = c.ReadMessage()
	}
	if e, ok := err.(*websocket.CloseError); !ok || e.Code != code || e.Text != reason {
		t.Errorf("closed by %v, want %d %q", err, code, reason)
	}
}

// A chat with everything that the template is there to show: user ids in the log, a
// kick, a client that leaves, one that is refused, and a drain at SIGTERM.
func TestChat(t *testing.T) {
	p := start(t)
	var all []*websocket.Conn
	for _, user := range []string{"ann", "ben", "eve"} {
		all = append(all, p.enter(t, user))
		say(t, all[len(all)-1], "here")
		for _, c := range all {
			hear(t, c, user+": here")
		}
	}
	ann, ben, eve := all[0], all[1], all[2]

	closed(t, p.enter(t, ""), 1008, "who are you?")
	p.await(t, "websocket closed", "code=1008")

	kicked := make(chan error, 1)
	go func() { // it waits for the answer to the Close
		response, err := http.Post("http://"+p.addr+"/kick/eve", "", nil)
		if err == nil {
			err = response.Body.Close()
		}
		kicked <- err
	}()
	closed(t, eve, 4001, "kicked")
	p.await(t, "websocket closed", "ending=local_closed", "code=4001", "cause=kicked", "clean=true", "user=eve")
	if err := <-kicked; err != nil {
		t.Error(err)
	}

	if err := ben.WriteMessage(websocket.CloseMessage, websocket.FormatCloseMessage(1001, "tab closed")); err != nil {
		t.Fatal(err)
	}
	closed(t, ben, 1001, "tab closed") // the library repeats the reason
	p.await(t, "websocket closed", "ending=peer_closed", "code=1001", `reason="tab closed"`, "user=ben")

	say(t, ann, "alone now")
	hear(t, ann, "ann: alone now")
	p.Process.Signal(syscall.SIGTERM)
	closed(t, ann, 1001, "server shutting down")
	p.await(t, "websocket closed", "cause=shutdown", "clean=true", "user=ann")
	p.await(t, "1 answered", "<nil>")
	t.Log(time.Now(), p.log)
	if err := p.Wait(); err != nil {
		t.Error(err)
	}
}
