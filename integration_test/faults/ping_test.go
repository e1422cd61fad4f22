package faults

import (
	"errors"
	"net/http"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/closeguard/ws/closeguard"
	"github.com/closeguard/ws/integration_test/rawpeer"
	"github.com/closeguard/ws/integration_test/record"
)

// While the application doesn't read, the kernel finds a partition with a ping
// of the guard's, and tells a ping of it. It does so once: who reads then, reads
// the end of the stream.
func TestKernelTellsAPing(t *testing.T) {
	for _, e := range endpoints[:4] {
		t.Run(e.path, func(t *testing.T) {
			t.Parallel()
			ns := newNamespace(t)
			reads, handles := make(chan struct{}), make(chan *closeguard.Handle, 1)
			s := newServer(t, closeguard.Options{PingInterval: 500 * time.Millisecond}, func(r *http.Request, conn socket) error {
				handles <- closeguard.FromContext(r.Context())
				<-reads
				return echo(conn, -1)
			})
			l, err := ns.listen()
			if err != nil {
				t.Fatal(err)
			}
			c := &cable{ns, s.serve(l)}
			path := e.path + "/1"
			p, err := c.connect(path, rawpeer.Wait(patience))
			if err != nil {
				t.Fatal(err)
			}
			defer p.TCP.Close()
			run := &struck{T: t, record: s.Of(path)}
			run.control(func(fd int) error {
				return unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, 300)
			})
			if err := c.cut(); err != nil {
				t.Fatal(err)
			}
			look := time.NewTicker(10 * time.Millisecond)
			defer look.Stop()
			deadline := time.Now().Add(patience)
			for handle := <-handles; handle.Event() == nil && time.Now().Before(deadline); <-look.C {
			}
			close(reads)
			got := s.events.wait(path)
			if len(got.closed) != 1 {
				t.Fatalf("%v, want one event", got.closed)
			}
			if ev := got.closed[0]; record.KindOf(ev) != "dropped" || !errors.Is(ev, syscall.ETIMEDOUT) {
				t.Errorf("%v\non the wire: %s", ev, run.record.Order())
			}
		})
	}
}
