package count

import (
	"net"
	"runtime"
	"sync/atomic"
)

// gate is the server's end of a connection. Once it is shut, a Read that finds
// nothing there doesn't go to the kernel: it tells how many system calls its
// thread has made and waits until the next piece has come whole. So no call
// depends on who is faster, and every count can be repeated.
//
// It is a *net.TCPConn by embedding: its writev is still found by net.Buffers,
// which a wrapper of another kind would hide.
type gate struct {
	*net.TCPConn
	shut  atomic.Bool
	idle  chan calls    // nothing is left to read
	ready chan struct{} // a piece has come
	tcp   *tcp
	self  *threadIO // of the reading goroutine's thread
}

// ResumesWrites says what the guard knows of a *net.TCPConn itself.
func (g *gate) ResumesWrites() bool { return true }

// Read reads from the connection.
func (g *gate) Read(p []byte) (int, error) {
	if g.shut.Load() {
		if g.self == nil {
			runtime.LockOSThread() // until the goroutine ends
			self, err := openThreadIO()
			if err != nil {
				g.idle <- calls{err: err}
				return 0, err
			}
			g.self = self
		}
		if g.tcp.unread() == 0 {
			g.idle <- g.self.read()
			if _, ok := <-g.ready; !ok {
				g.self.close()
				return 0, net.ErrClosed
			}
		}
	}
	return g.TCPConn.Read(p)
}
