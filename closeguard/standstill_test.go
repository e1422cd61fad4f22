//go:build unix

package closeguard_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/closeguard/ws/closeguard"
	"github.com/closeguard/ws/closeguard/closetest"
)

// standstills are the limits that a process could reach for standing still.
var standstills = map[string]closeguard.Options{
	"idle":    {IdleTimeout: 2 * sec},
	"ping":    {PingInterval: sec / 2, PingTimeout: 3 * sec / 2},
	"closing": {CloseIdle: 2 * sec, CloseTimeout: 2 * sec},
}

const standingStill = "CLOSEGUARD_STANDSTILL" // names the child's limits

// A process that is stopped and goes on blames no peer for it.
func TestAStoppedProcessBlamesNobody(t *testing.T) {
	if opts, child := standstills[os.Getenv(standingStill)]; child {
		serveUntilTheEnd(opts)
		return
	}
	for mode := range standstills {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			const n = 100
			child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestAStoppedProcessBlamesNobody$")
			child.Env = append(os.Environ(), standingStill+"="+mode)
			child.Stderr = os.Stderr
			out, err := child.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := child.Start(); err != nil {
				t.Fatal(err)
			}
			defer child.Wait() // it is killed
			defer child.Process.Kill()
			lines := bufio.NewScanner(out)
			lines.Scan()
			addr := lines.Text()

			// Each peer is seen to be alive, or has got the child's Close, before the
			// child is stopped.
			var ready sync.WaitGroup
			ready.Add(n)
			goOn, leave := make(chan struct{}), make(chan struct{})
			for range n {
				nc, err := net.Dial("tcp", addr)
				if err != nil {
					t.Fatal(err)
				}
				defer nc.Close()
				peer := closetest.NewPeer(nc, closeguard.Client)
				go livesOn(peer, mode, ready.Done, goOn, leave)
			}
			ready.Wait()
			child.Process.Signal(syscall.SIGSTOP) // it runs
			close(goOn)
			time.Sleep(3 * sec)
			child.Process.Signal(syscall.SIGCONT) // it is there
			time.AfterFunc(sec, func() { close(leave) })
			for range n {
				if !lines.Scan() {
					t.Fatal("the child's events have ended")
				}
				if line := lines.Text(); line != "clean" {
					t.Errorf("%s", line)
				}
			}
		})
	}
}

// livesOn is a peer that does what it has to until it shall leave.
func livesOn(p *closetest.Peer, mode string, ready func(), goOn, leave <-chan struct{}) {
	if mode == "closing" {
		p.WriteText("close me")
		f, _ := p.ReadClose()
		ready()
		<-goOn
		p.WriteClose(f.Code, "")
		p.ReadToEnd()
		return
	}
	go func() {
		for once := sync.OnceFunc(ready); ; {
			f, err := p.ReadFrame()
			switch {
			case err != nil:
				return
			case f.Opcode == closetest.OpPing:
				p.WriteFrame(closetest.Frame{Opcode: closetest.OpPong, Payload: f.Payload})
				once()
			case f.Opcode == closetest.OpText:
				once()
			}
		}
	}()
	for {
		if mode == "idle" {
			p.WriteText("alive")
		}
		select {
		case <-time.After(sec / 4):
		case <-leave:
			p.WriteClose(closeguard.NormalClosure, "")
			return
		}
	}
}

// serveUntilTheEnd is the child: it echoes, closes who asks for it, and tells how
// each connection ended.
func serveUntilTheEnd(opts closeguard.Options) {
	opts.Observers = []closeguard.Observer{closeguard.ObserverFunc(func(_ context.Context, ev closeguard.Event) {
		if ev, ok := ev.(closeguard.CloseEvent); ok {
			line := ev.Error()
			if ev.Clean() && !errors.Is(ev, closeguard.ErrIdleTimeout) && !errors.Is(ev, closeguard.ErrPingTimeout) {
				line = "clean"
			}
			fmt.Println(line)
		}
	})}
	g, err := closeguard.New(opts)
	if err != nil {
		panic(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Println(l.Addr())
	for {
		nc, err := l.Accept()
		if err != nil {
			return
		}
		c, err := g.WrapConn(nc, closeguard.Server)
		if err != nil {
			panic(err)
		}
		go func() {
			defer c.Close()
			p := closetest.NewPeer(c, closeguard.Server)
			for {
				f, err := p.ReadFrame()
				switch {
				case err != nil:
					return
				case strings.HasPrefix(string(f.Payload), "close"):
					p.WriteClose(closeguard.PolicyViolation, "")
					return
				case f.Opcode == closetest.OpText:
					p.WriteFrame(f)
				}
			}
		}()
	}
}
