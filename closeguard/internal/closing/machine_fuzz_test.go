package closing

import (
	"io"
	"math/rand/v2"
	"syscall"
	"testing"
	"time"

	"github.com/closeguard/ws/closeguard/cause"
)

// world is what surrounds a machine: it does what the machine says, and what a
// peer, a library and a program may do, as a script tells.
type world struct {
	*testing.T
	Machine
	script []byte
	now    time.Duration
	facts  Facts

	wire     []Frame // Closes of ours on the wire
	sending  *Frame
	half     bool // of our Close is on the wire
	lingers  bool
	ending   bool
	reported int
}

func (w *world) byte() byte {
	if len(w.script) == 0 {
		return 0
	}
	b := w.script[0]
	w.script = w.script[1:]
	return b
}

func (w *world) frame() Frame {
	return Frame{Code: []int{1000, 1001, 1006, 4000}[w.byte()%4], Reason: "r"}
}

// run carries out what the machine decides, and checks it.
func (w *world) run() {
	for range 100 {
		a := w.Next(w.facts, w.now)
		if s := w.State(); !s.Possible() {
			w.Fatalf("impossible: %v", s)
		}
		switch a.Do {
		case SendClose:
			if w.facts.Writing || len(w.wire) > 0 || w.ending {
				w.Fatalf("a Close is sent: somebody writes %t, on the wire %v, ending %t", w.facts.Writing, w.wire, w.ending)
			}
			if !a.Whole && !w.facts.Between && w.edge.State == Boundary && a.Bytes == nil && !w.facts.App.Closed {
				w.Fatal("a Close goes into a frame")
			}
			if !a.Whole && w.half {
				w.Fatal("a second Close is begun")
			}
			f := w.out.Frame
			if f.Check(w.record.Role) != nil && w.record.Received == nil {
				w.Fatalf("%v leaves", f)
			}
			w.sending, w.facts.Writing = &f, true
		case Linger:
			if w.lingers {
				w.Fatal("reading is taken over twice")
			}
			w.lingers, w.facts.Reading = true, true
			w.On(SliceBegun{}, w.now)
		case EndTCP:
			if w.ending {
				w.Fatal("TCP is ended twice")
			}
			w.ending = true
		case Report:
			if w.reported++; w.reported > 1 || !w.ending {
				w.Fatalf("reported %d times, ended %t", w.reported, w.ending)
			}
		case Look, HalfClose:
		case Wait:
			return
		}
	}
	w.Fatal("it never waits")
}

// wrote ends the Write of our Close that is under way.
func (w *world) wrote(how byte) {
	if w.sending == nil {
		return
	}
	f := *w.sending
	w.sending, w.facts.Writing = nil, false
	switch {
	case how%4 == 0 && !w.ending:
		w.half = true
		w.On(Wrote{Reason: Reason{cause.Transport, io.ErrShortWrite}, Later: true, Rest: []byte("half")}, w.now)
	case how%4 == 1:
		w.On(Wrote{Reason: Reason{cause.Reset, syscall.EPIPE}}, w.now)
	default:
		w.wire = append(w.wire, f)
		w.On(Wrote{}, w.now)
	}
}

// step is one thing that happens.
func (w *world) step() {
	app := &w.facts.App
	switch b := w.byte(); b % 25 {
	case 0:
		w.On(TheirClose{closePayload(uint16(w.frame().Code), "")}, w.now)
	case 1:
		w.On(ReadEnded{Reason{cause.EOF, io.EOF}}, w.now)
	case 2:
		w.On(ReadEnded{Reason{cause.Reset, syscall.ECONNRESET}}, w.now)
	case 3:
		w.On(TheirFault{NewViolation(RuleRSV, 4, nil), w.byte()%2 == 0}, w.now)
	case 4:
		w.On(Ask{Frame: w.frame(), Takeover: w.byte()%2 == 0, Insist: w.byte()%2 == 0}, w.now)
	case 5:
		w.On(Joined{}, w.now)
		w.On(Ask{Frame: w.frame(), Reason: Reason{Cause: cause.Shutdown}}, w.now)
	case 6:
		if !app.Closed {
			app.Closed = true
			if bare := w.frame(); !app.Serving {
				w.On(LibraryClosed{Bare: &bare, Reason: Reason{Cause: cause.BareClose}}, w.now)
			}
		}
	case 7:
		if app.Serving {
			app.Serving, app.Closed = false, true
			w.On(Ask{Frame: w.frame()}, w.now)
		}
	case 8:
		w.On(CutOff{How: Manner(w.byte() % 4), Reason: Reason{Cause: cause.Aborted}}, w.now)
	case 9, 10:
		w.wrote(w.byte())
	case 11:
		if w.sending == nil {
			w.facts.Between = !w.facts.Between
		}
	case 12:
		if w.sending == nil && !w.lingers {
			w.facts.Writing = !w.facts.Writing
			w.On(Called{}, w.now)
		}
	case 13:
		if !w.lingers {
			w.facts.Reading = !w.facts.Reading
			w.On(Called{Read: true}, w.now)
		}
	case 14:
		if app.Closed && w.sending == nil && !w.facts.Between {
			w.On(FrameCut{Rest: make([]byte, w.byte()), Owed: uint64(w.byte() % 2)}, w.now)
		}
	case 15:
		w.On(WireBroken{}, w.now)
	case 16:
		w.On(Trailed{int(w.byte())}, w.now)
	case 17:
		w.On(Discarded{int(w.byte()) << 12}, w.now)
	case 18:
		w.On(LimitReached{cause.Evicted}, w.now)
	case 19:
		if w.lingers {
			w.On(SliceOver{}, w.now)
		}
	case 20:
		w.On(ReadAgain{}, w.now)
	case 21:
		if f := w.frame(); w.sending == nil && !w.facts.Writing && !app.Closed && !w.TakesNoMore() && !w.Busy() {
			if v := w.Outgoing(closePayload(uint16(f.Code), ""), w.now); v.Send {
				w.sending, w.facts.Writing = &v.Frame, true
			}
		}
	case 22:
		w.On(RanOut{Reason{cause.ReadTimeout, io.ErrNoProgress}}, w.now)
	case 24:
		in := LibraryHalfClosed{}
		if f := w.frame(); f.Code == 1000 {
			in.Bare = &f
		}
		if !app.Closed {
			w.On(in, w.now)
		}
	default:
		w.pass(time.Duration(w.byte()) * 100 * time.Millisecond)
	}
}

// pass lets time pass; alarms ring when they are due.
func (w *world) pass(d time.Duration) {
	until := w.now + d
	for range 1000 {
		due := w.Due(w.facts)
		if due <= 0 || due > until {
			break
		}
		w.now = max(w.now, due)
		w.On(Tick{w.facts}, w.now)
		w.run()
	}
	w.now = until
}

// checkWorld plays a script. When it is over the program lets go, and everything
// must come to an end: nobody else will look again.
func checkWorld(t *testing.T, role Role, serving bool, script []byte) {
	w := &world{T: t, script: script, now: 1}
	w.Open(role, &someLimits)
	w.facts.App.Serving = serving
	for len(w.script) > 0 && !w.ending {
		w.step()
		w.now++
		w.run()
	}
	app := &w.facts.App
	if app.Serving {
		app.Serving, app.Closed = false, true
		w.On(Ask{Frame: Frame{Code: 1000}}, w.now)
		w.run()
	}
	if !app.Closed {
		app.Closed = true
		w.On(LibraryClosed{Reason: Reason{Cause: cause.BareClose}}, w.now)
		w.run()
	}
	w.On(Disowned{}, w.now)
	if w.sending == nil {
		w.facts.Writing = false
	}
	if !w.lingers {
		w.facts.Reading = false
	}
	w.run()
	w.pass(time.Hour)
	if !w.ending {
		t.Fatalf("it doesn't end: %v, facts %+v, record %+v", w.State(), w.facts, w.record)
	}
	w.wrote(1)
	w.On(TCPClosed{}, w.now)
	w.run()
	w.pass(time.Hour)
	if w.reported != 1 || w.Stage() != Reported {
		t.Fatalf("reported %d times: %v", w.reported, w.State())
	}
	if r := w.Record(); len(w.wire) > 1 || (r.Sent != nil) != (len(w.wire) == 1) || r.Open() {
		t.Fatalf("on the wire %v, told %+v", w.wire, r)
	}
}

func FuzzHandshake(f *testing.F) {
	f.Add(uint8(0), []byte{4, 0, 0, 0, 9, 2, 0, 0})
	f.Add(uint8(1), []byte{0, 1, 6, 1, 9, 2, 23, 100})
	f.Add(uint8(2), []byte{7, 0, 9, 0, 23, 50, 9, 2})
	f.Add(uint8(3), []byte{5, 0, 8, 3, 9, 2})
	f.Fuzz(func(t *testing.T, who uint8, script []byte) {
		checkWorld(t, Role(who%2), who&2 != 0, script)
	})
}

// Ten thousand random lives; see checkWorld.
func TestMachineLives(t *testing.T) {
	for seed := range uint64(10000) {
		random := rand.New(rand.NewPCG(seed, 7))
		script := make([]byte, random.IntN(60))
		for i := range script {
			script[i] = byte(random.Uint32())
		}
		checkWorld(t, Role(seed%2), seed&2 != 0, script)
		if t.Failed() {
			t.Fatalf("seed %d: %x", seed, script)
		}
	}
}
