package closeguard

import (
	"context"

	"github.com/closeguard/ws/closeguard/internal/closing"
)

// Witness is a connection that the guard doesn't see on the wire: an adapter
// tells it what a library told, and nothing is guessed. It yields one close
// event, of the same types and with the same meaning as a guarded connection's,
// in which whatever the library hides is nil. There is no promise of delivery,
// no limit and no repair.
//
// It is what an adapter's Wrap is made of for a connection that was opened
// without the guard. All methods may be called at the same time.
type Witness struct{ link *link }

// Witness begins to record a connection that is open already. Info.Number and
// Guarded are set by the guard. The context is for the observers.
func (g *Guard) Witness(ctx context.Context, info ConnInfo) *Witness {
	l := g.newLink(ctx, info)
	l.phase = phaseWitness
	l.opening = nil
	l.needEnding().ctx = ctx
	l.opened = g.now()
	l.in.Touch(l.opened)
	g.mu.Lock()
	g.count(l)
	g.mu.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tellOpened()
	return &Witness{link: l}
}

// Begin is [Conn.Begin].
func (w *Witness) Begin(ctx context.Context) Call { return w.link.call(ctx) }

// Sent tells that the library took a Close for sending.
func (w *Witness) Sent(f CloseFrame) {
	w.link.mu.Lock()
	defer w.link.mu.Unlock()
	w.link.needEnding().Sent(f.inside(), w.link.guard.now())
}

// Received tells of the peer's Close. It ends the connection.
func (w *Witness) Received(f CloseFrame) {
	w.link.mu.Lock()
	defer w.link.mu.Unlock()
	w.link.on(closing.TheirClose{Payload: f.inside().AppendPayload(nil)})
	w.link.conclude()
}

// Ended tells that the library can't go on because of err.
func (w *Witness) Ended(err error) {
	w.link.mu.Lock()
	defer w.link.mu.Unlock()
	w.link.on(closing.ReadEnded{Reason: closing.Reason{Cause: causeOf(err), Err: err}})
	w.link.conclude()
}

// Closed tells that the program has closed TCP.
func (w *Witness) Closed() {
	w.link.mu.Lock()
	defer w.link.mu.Unlock()
	if r := w.link.machine().Record(); r.Open() {
		w.link.on(closing.CutOff{Reason: closing.Reason{Cause: closing.BareClose}})
	}
	w.link.conclude()
}

// Alive tells that a message came.
func (w *Witness) Alive() {
	w.link.mu.Lock()
	defer w.link.mu.Unlock()
	w.link.in.Touch(w.link.guard.now())
}

// Done is [Conn.Done].
func (w *Witness) Done() <-chan struct{} { return w.link.waitDone() }

// Event is [Conn.Event].
func (w *Witness) Event() CloseEvent { return w.link.closeEvent() }

// conclude reports what is known; nothing more will be.
func (l *link) conclude() {
	if !l.over.Load() {
		l.end.Conclude(l.guard.now())
		l.run()
	}
}
