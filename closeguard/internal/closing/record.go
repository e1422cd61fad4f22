package closing

import "time"

// Party is who brought a connection's end about.
type Party uint8

// The parties.
const (
	Nobody    Party = iota // the connection is open
	Peer                   // its Close came first
	Us                     // our Close left first
	Transport              // TCP ended first, or we aborted it
)

// Record is what crossed on one connection: which Close frames went over the
// wire, in which order, and how TCP ended.
type Record struct {
	Role  Role
	First Party         // who brought the end about; fixed once
	Began time.Duration // when the first Close was seen, 0: none was

	Sent, Received *Frame

	Intended *Frame // a Close that we began and that was illegal, or that can't be sent
	Misfit   bool   // Intended was illegal

	Illegal *Violation // of Received's payload
	Fault   *Violation // the first header of the peer's that broke a rule

	BrokenClose *Violation // of the first Close of the peer's with such a header, which is not read as a Close

	Trailing int64 // bytes that followed the peer's Close: they would turn our end of TCP into a reset

	Down     error  // how the transport ended: EOF, reset, a failed Write
	TimedOut Reason // the last Read or Write ran into a deadline of the program's, or a call's context ended
	Aborted  bool   // we ended TCP without more ado

	sent, received Frame // what Sent and Received point to
}

// Open reports whether nothing has ended the connection yet.
func (r *Record) Open() bool { return r.First == Nobody }

// Complete reports whether both Close frames have crossed.
func (r *Record) Complete() bool { return r.Sent != nil && r.Received != nil }

// Answered reports whether the peer needs nothing more from us, nor we from it:
// both Closes have crossed, or ours and one of the peer's that was broken, which
// won't be followed by another one.
func (r *Record) Answered() bool {
	return r.Complete() || r.Sent != nil && r.BrokenClose != nil
}

// sawClose takes the payload of a well-framed Close of the peer's. Only the
// first counts.
func (r *Record) sawClose(payload []byte, now time.Duration) {
	if r.Received != nil {
		return
	}
	r.received, r.Illegal = Parse(payload)
	r.Received = &r.received
	r.ends(Peer, now)
}

// sentClose takes note that a Close has left.
func (r *Record) sentClose(f Frame, now time.Duration) {
	if r.Sent != nil {
		return
	}
	r.sent = f
	r.Sent = &r.sent
	if r.Intended != nil && !r.Misfit && *r.Intended == f {
		r.Intended = nil // given up too early
	}
	r.ends(Us, now)
}

// sawFault takes note of a header that breaks a rule of framing, a Close's or
// another frame's.
func (r *Record) sawFault(v *Violation, ofClose bool) {
	if r.Fault == nil {
		r.Fault = v
	}
	if ofClose && r.BrokenClose == nil {
		r.BrokenClose = v
	}
}

// sawEnd takes note that the transport has ended.
func (r *Record) sawEnd(err error) {
	if r.Down == nil {
		r.Down = err
	}
	r.ends(Transport, 0)
}

// abort takes note that we end TCP without more ado.
func (r *Record) abort() {
	r.Aborted = true
	r.ends(Transport, 0)
}

func (r *Record) ends(who Party, now time.Duration) {
	if r.First == Nobody {
		r.First = who
	}
	if r.Began == 0 {
		r.Began = now
	}
}

// intend remembers a Close that can't leave as it was meant. An answer is
// nothing that we began.
func (r *Record) intend(f Frame, legal bool) {
	if r.Received == nil && r.Intended == nil {
		r.Intended, r.Misfit = &f, !legal
	}
}
