package scale

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"
)

// asClients in the environment makes the test binary a process of clients. Its
// value is an order as JSON.
const asClients = "CLOSEGUARD_SCALE_CLIENTS"

// order is what a process of clients shall open.
type order struct {
	Addr, Path string
	Live       int // these answer a Close
	Deaf       int // these never read a byte again
}

// patience is how long clients wait for what should be there.
const patience = 10 * time.Second

// processes is how many the clients are spread over.
const processes = 2

// clients are open connections of other processes.
type clients struct {
	t       *testing.T
	workers []worker
}

type worker struct {
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	stdout *bufio.Reader
}

// connect opens connections and returns when they are open.
func connect(t *testing.T, o order) *clients {
	t.Helper()
	c := &clients{t: t}
	live, deaf := o.Live, o.Deaf
	for i := range processes {
		part := order{Addr: o.Addr, Path: o.Path, Live: live / (processes - i), Deaf: deaf / (processes - i)}
		live, deaf = live-part.Live, deaf-part.Deaf
		c.start(part)
	}
	for _, w := range c.workers {
		if line, err := w.stdout.ReadString('\n'); line != "open\n" {
			t.Fatalf("a process of clients says %q, %v", line, err)
		}
	}
	return c
}

func (c *clients) start(o order) {
	c.t.Helper()
	arg, err := json.Marshal(o)
	if err != nil {
		c.t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), asClients+"="+string(arg))
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		c.t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		c.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		c.t.Fatal(err)
	}
	c.workers = append(c.workers, worker{cmd, stdin, bufio.NewReader(stdout)})
	c.t.Cleanup(func() {
		stdin.Close()
		cmd.Wait()
	})
}

// leave ends the connections that are still open, and returns what the live
// clients saw of their ends, by how many saw it.
func (c *clients) leave() map[string]int {
	c.t.Helper()
	all := make(map[string]int)
	for _, w := range c.workers {
		w.stdin.Close()
		var saw map[string]int
		if err := json.NewDecoder(w.stdout).Decode(&saw); err != nil {
			c.t.Fatal(err)
		}
		for what, n := range saw {
			all[what] += n
		}
	}
	return all
}

// runClients is a process of clients: it says "open" when all are, and when
// its input ends, what they saw.
func runClients(arg string) error {
	var o order
	if err := json.Unmarshal([]byte(arg), &o); err != nil {
		return err
	}
	var (
		mu    sync.Mutex
		saw   = make(map[string]int)
		conns = make([]*net.TCPConn, o.Live+o.Deaf)
		live  sync.WaitGroup
	)
	if err := each(len(conns), func(i int) (err error) {
		conns[i], err = open(o)
		return err
	}); err != nil {
		return err
	}
	for _, c := range conns[:o.Live] {
		live.Go(func() {
			what := answer(c)
			mu.Lock()
			defer mu.Unlock()
			saw[what]++
		})
	}
	fmt.Println("open")
	io.Copy(io.Discard, os.Stdin)
	for _, c := range conns {
		c.SetLinger(0) // no TIME_WAIT
		c.SetReadDeadline(time.Now().Add(patience))
	}
	live.Wait()
	for _, c := range conns {
		c.Close()
	}
	return json.NewEncoder(os.Stdout).Encode(saw)
}

// each does a step n times, 64 at a time.
func each(n int, step func(i int) error) error {
	next, failed := make(chan int), make(chan error, n)
	var workers sync.WaitGroup
	for range 64 {
		workers.Go(func() {
			for i := range next {
				if err := step(i); err != nil {
					failed <- err
				}
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	workers.Wait()
	close(failed)
	return <-failed
}

// open opens a WebSocket.
func open(o order) (*net.TCPConn, error) {
	c, err := net.Dial("tcp", o.Addr)
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", o.Path, o.Addr)
	var head []byte
	for b := make([]byte, 1); !strings.HasSuffix(string(head), "\r\n\r\n"); head = append(head, b[0]) {
		if _, err := io.ReadFull(c, b); err != nil {
			return nil, fmt.Errorf("opening handshake: %q, %w", head, err)
		}
	}
	if !strings.HasPrefix(string(head), "HTTP/1.1 101 ") {
		return nil, fmt.Errorf("opening handshake: %q", head)
	}
	return c.(*net.TCPConn), nil
}

// answer reads up to the server's Close, answers it, waits for the end of TCP
// and says what it saw: the code, and how TCP ended.
func answer(c net.Conn) string {
	head := make([]byte, 2)
	payload := make([]byte, 125)
	code := "no Close"
	for {
		_, err := io.ReadFull(c, head)
		if err == nil && head[1] < 126 {
			_, err = io.ReadFull(c, payload[:head[1]])
		}
		switch {
		case errors.Is(err, io.EOF):
			return code
		case err != nil:
			return code + ", " + err.Error()
		case head[0] == 0x88 && head[1] >= 2:
			code = fmt.Sprint(binary.BigEndian.Uint16(payload))
			c.Write(append([]byte{0x88, 0x82, 0, 0, 0, 0}, payload[:2]...)) // masked with zeros
		default:
			return fmt.Sprintf("frame %x", head)
		}
	}
}
