package closeguard

import (
	"bytes"

	"github.com/closeguard/ws/closeguard/internal/closing"
	"github.com/closeguard/ws/closeguard/internal/sched"
	"github.com/closeguard/ws/closeguard/internal/wire"
)

// inbound is the direction from the peer to us. Whoever has its lock needs no mu
// for its scanner, and for what is read ahead.
type inbound struct {
	sched.IOMutex
	scan  wire.Scanner
	ahead *ahead
}

// afterRead takes what a Read brought, the library's or the guard's own, and
// returns the error that the library shall see. What follows is for run.
func (l *link) afterRead(p []byte, err error) error {
	switch l.phase {
	case phasePassthrough, phaseWitness:
		return err
	case phaseHTTP:
		l.opening.read(p)
		if l.phase != phaseOpen {
			return err
		}
	case phaseOpen:
		if len(p) > 0 && !l.ended.final() {
			l.in.Touch(l.guard.now())
			l.scanIn(p)
		}
	}
	if err != nil {
		err = l.readFailed(err)
	}
	return err
}

// claim takes note of the reserved bits that the agreed extensions use.
func (l *link) claim(rsv byte) { l.in.scan.Claimed, l.out.scan.Claimed = rsv, rsv }

// scanIn follows the peer's frames up to its Close; nothing counts after that.
func (l *link) scanIn(p []byte) {
	if l.machine().TheirCloseCame() {
		l.on(closing.Trailed{Bytes: len(p)})
		return
	}
	s := &l.in.scan
	l.traffic().received(p, s.Claimed)
	if n := s.Data(p); n > 0 {
		l.life.sawData()
		if n == len(p) {
			return
		}
		p = p[n:]
	}
	for {
		n, token := s.Next(p)
		if token == wire.End || token == wire.More && s.InPayload() {
			l.life.saw(s.Opcode())
			if s.Opcode() == wire.Close {
				l.needEnding().collect(s, p[:n])
			}
		}
		p = p[n:]
		switch {
		case token == wire.More:
			return
		case token == wire.Start && (s.Opcode() == wire.Close || s.Fault() != wire.NoFault):
			l.needEnding().frameStarts(s, l.guard.now())
		case token == wire.End && s.Opcode() == wire.Close && s.Fault() == wire.NoFault:
			l.on(closing.TheirClose{Payload: l.end.theirs.Payload()})
			if len(p) > 0 {
				l.on(closing.Trailed{Bytes: len(p)})
			}
			return
		}
	}
}

// frameStarts takes the header of a frame of the peer's.
func (e *ending) frameStarts(s *wire.Scanner, now instant) {
	if s.Opcode() == wire.Close {
		e.theirs.Reset()
	}
	if s.Fault() == wire.NoFault {
		return
	}
	first := e.Record().Fault == nil
	v := closing.OfHeader(s)
	e.On(closing.TheirFault{Violation: v, OfClose: s.Opcode() == wire.Close}, now)
	if e.fault = nil; first {
		e.fault = v
	}
}

// collect keeps the payload of a Close of the peer's. An illegal one's goes into
// the violation, as much of it as a control frame may have.
func (e *ending) collect(s *wire.Scanner, p []byte) {
	e.theirs.Take(s, p)
	payload := e.theirs.Payload()
	payload = payload[:min(len(payload), wire.MaxControl)]
	if s.Fault() != wire.NoFault && e.fault != nil && len(e.fault.Payload) < len(payload) {
		e.fault.Payload = bytes.Clone(payload)
	}
}
