package faults

import (
	"errors"
	"net"
	"net/http"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/closeguard/ws/closeguard"
	"github.com/closeguard/ws/integration_test/rawpeer"
	"github.com/closeguard/ws/integration_test/record"
	"github.com/closeguard/ws/integration_test/sockets"
)

// While the application doesn't read, the kernel tells a ping of the guard's how
// TCP ended. It does so once: who reads then, reads the end of the stream, and who
// writes is told of a broken pipe.
func TestKernelTellsAPing(t *testing.T) {
	for _, tt := range []struct {
		name   string
		strike func(*cable, net.Addr) error
		then   func(socket) error // what the application does when the ping has failed
		cause  error
	}{
		{"partition, then a read", cut, func(s socket) error { return sockets.Echo(s, 1) }, syscall.ETIMEDOUT},
		{"our socket killed, then a read", (*cable).killOurs, func(s socket) error { return sockets.Echo(s, 1) }, syscall.ECONNABORTED},
		{"our socket killed, then a write", (*cable).killOurs, func(s socket) error { return s.Write(true, []byte("hello")) }, syscall.ECONNABORTED},
	} {
		for _, e := range endpoints[:4] {
			t.Run(tt.name+e.Path, func(t *testing.T) {
				t.Parallel()
				ns := newNamespace(t)
				told, handles := make(chan struct{}), make(chan *closeguard.Handle, 1)
				s := newServer(t, closeguard.Options{PingInterval: 500 * time.Millisecond, PingTimeout: patience}, func(r *http.Request, conn socket) error {
					handles <- closeguard.FromContext(r.Context())
					<-told
					return tt.then(conn)
				})
				l, err := ns.listen()
				if err != nil {
					t.Fatal(err)
				}
				c := &cable{ns, s.serve(l)}
				path := e.Path + "/1"
				p, err := c.connect(path, rawpeer.Wait(patience))
				if err != nil {
					t.Fatal(err)
				}
				defer p.TCP.Close()
				run := &struck{T: t, record: s.Of(path)}
				run.control(func(fd int) error {
					return unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, 300)
				})
				if err := tt.strike(c, p.TCP.LocalAddr()); err != nil {
					t.Fatal(err)
				}
				look := time.NewTicker(10 * time.Millisecond)
				defer look.Stop()
				deadline := time.Now().Add(patience)
				for handle := <-handles; handle.Event() == nil && time.Now().Before(deadline); <-look.C {
				}
				close(told)
				got := s.events.Wait(path, patience)
				if len(got.Closed) != 1 {
					t.Fatalf("%v, want one event", got.Closed)
				}
				ev := got.Closed[0]
				if record.KindOf(ev) != "dropped" || !errors.Is(ev, tt.cause) {
					t.Errorf("%v\non the wire: %s", ev, run.record.Order())
				}
				for _, misfit := range run.record.Misfits(ev, answers) {
					t.Error(misfit)
				}
			})
		}
	}
}
