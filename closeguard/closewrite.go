package closeguard

import (
	"errors"
	"runtime"

	"github.com/closeguard/ws/closeguard/internal/closing"
)

// CloseWrite ends our direction of the stream, as the method of *net.TCPConn does, and
// is [errors.ErrUnsupported] where the transport has none. It is what
// httputil.ReverseProxy passes a backend's end on with. No Close of ours can leave after
// it; the peer's data and its Close are still received. So where one is due, the answer
// to the peer's or Options.BareClose, that leaves in its place, and TCP ends as after
// every Close. Whoever asks for a Close of ours later, as a shutdown does, ends TCP.
func (c *Conn) CloseWrite() (err error) {
	defer runtime.KeepAlive(c)
	l := c.link
	tcp, ok := l.raw.Conn.(interface{ CloseWrite() error })
	if !ok {
		return errors.ErrUnsupported
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.guard.joints.leaveYielding(l, 0)
	if l.phase == phaseOpen {
		if l.app.Closed {
			return l.raw.errClosed("close")
		}
		l.needEnding().linger.lookFirstYielding()
		var bare *closing.Frame
		if l.machine().MayBegin() {
			bare = l.bareCloseYielding()
		}
		sent := l.machine().Record().Sent != nil
		l.on(closing.LibraryHalfClosed{Bare: bare, Cut: !l.out.Locked() && !l.out.scan.Between()})
		l.pushYielding()
		if m := l.machine(); m.Stage() >= closing.Ending || m.Busy() || m.Out() == closing.Unknown || !sent && m.Record().Sent != nil {
			return nil // the end of TCP follows by itself
		}
	}
	l.yield(func() { err = tcp.CloseWrite() })
	if err != nil && l.phase == phaseOpen {
		l.on(closing.HalfCloseRefused{}) // a wrapper may have the method for a transport that hasn't
	}
	return err
}
