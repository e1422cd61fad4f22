package closing

import (
	"errors"
	"io"
	"syscall"
	"testing"
	"time"

	"github.com/closeguard/ws/closeguard/cause"
)

var someLimits = Limits{Idle: 5 * time.Second, Total: 30 * time.Second, Gap: time.Second, Bytes: 1 << 20}

// Every combination of states has somebody who will look again: a moment, or a
// call that is named. None is without an answer.
func TestEveryStateHasItsTurn(t *testing.T) {
	for stage := range stages {
		for out := range outStates {
			for reader := range readerStates {
				for app := range 4 {
					for _, down := range []error{nil, io.EOF} {
						var m Machine
						m.Open(Server, &someLimits)
						m.stage, m.out.State, m.reader = stage, out, Reader{State: reader, until: 1}
						m.record.Down = down
						facts := Facts{App: App{Closed: app&1 != 0, Serving: app&2 != 0}}
						due := m.Due(facts)
						waits := stage == Open || stage == Reported || stage == Ended && facts.App.Serving ||
							(out == None || out == Lost) && down == nil && reader < LastLook
						if due == ProgramsTurn && !waits {
							t.Errorf("stage %d, out %d, reader %d, app %+v, down %v: nobody's turn", stage, out, reader, facts.App, down)
						}
						if due == TransportsTurn && stage != Ending {
							t.Errorf("stage %d, out %d, reader %d: the transport's turn", stage, out, reader)
						}
					}
				}
			}
		}
	}
}

// A stage never goes back.
func TestStagesOnlyGrow(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("a step back doesn't panic")
		}
	}()
	var m Machine
	m.Open(Server, &someLimits)
	m.to(Ending)
	m.to(Lingering)
}

// Before a limit of the guard's reading ends a connection for which nobody reads just
// then, what lies unread is read: the peer's Close in it counts.
func TestTheLastLook(t *testing.T) {
	fragmented := TheirFault{Violation: &Violation{Rule: RuleFragmentedControl}, OfClose: true}
	tests := []struct {
		name    string
		before  []Input // behind our Close
		after   time.Duration
		reading bool
		finds   []Input // nil: there is no look
		limit   cause.Cause
		got     bool // the peer's Close
	}{
		{"CloseIdle, nothing unread", nil, 6 * time.Second, false, []Input{}, cause.CloseIdle, false},
		{"CloseIdle, a Close unread", nil, 6 * time.Second, false, []Input{TheirClose{}}, cause.None, true},
		{"CloseTimeout, nothing unread", nil, 31 * time.Second, false, []Input{}, cause.CloseTimeout, false},
		{"CloseTimeout, a Close unread", nil, 31 * time.Second, false, []Input{TheirClose{}}, cause.None, true},
		{"the end of the stream, nothing unread", []Input{fragmented}, 2 * time.Second, false, []Input{}, cause.None, false},
		{"the end of the stream, a Close unread", []Input{fragmented}, 2 * time.Second, false, []Input{TheirClose{}}, cause.None, true},
		{"the end of the stream, which is there", []Input{fragmented}, 2 * time.Second, false, []Input{ReadEnded{Reason{cause.EOF, io.EOF}}}, cause.None, false},
		{"the end of the stream, somebody reads", []Input{fragmented}, 2 * time.Second, true, nil, cause.None, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			limits := someLimits
			if tt.after > limits.Total {
				limits.Idle = limits.Total + time.Minute // which comes first otherwise
			}
			var m Machine
			m.Open(Server, &limits)
			facts := Facts{Between: true, App: App{Closed: true}}
			next := func(now time.Duration, want Do) {
				t.Helper()
				if a := m.Next(facts, now); a.Do != want {
					t.Fatalf("at %v action %d, want %d (%v)", now, a.Do, want, m.State())
				}
			}
			m.On(Ask{Frame: Frame{Code: 1001}}, 1)
			next(1, SendClose)
			m.On(Wrote{}, 1)
			next(1, Linger)
			for _, in := range tt.before {
				m.On(in, 2)
				next(2, HalfClose)
			}
			facts.Reading = tt.reading
			m.On(Tick{Facts: facts}, tt.after)
			if tt.finds != nil {
				next(tt.after, Look)
				next(tt.after, Wait)
				for _, in := range tt.finds {
					m.On(in, tt.after)
				}
				m.On(Looked{Facts: facts}, tt.after)
			}
			next(tt.after, EndTCP)
			if m.Limit() != tt.limit || (m.Record().Received != nil) != tt.got {
				t.Errorf("limit %v, received %v; want %v, %t", m.Limit(), m.Record().Received, tt.limit, tt.got)
			}
			if m.Why().Has(cause.EOF) {
				t.Error("the end of the stream is among the causes, and only follows our own end")
			}
		})
	}
}

// What comes while our Close is with the transport waits until it is known
// whether that has left.
func TestWhatCrossesOurClose(t *testing.T) {
	theirs := closePayload(1000, "")
	failed := Reason{cause.Reset, syscall.EPIPE}
	tests := []struct {
		name  string
		comes []Input
		wrote Wrote
		first Party
		down  error
	}{
		{"nothing", nil, Wrote{}, Us, nil},
		{"a Close", []Input{TheirClose{theirs}}, Wrote{}, Us, nil},
		{"a Close and FIN", []Input{TheirClose{theirs}, ReadEnded{Reason{cause.EOF, io.EOF}}}, Wrote{}, Us, io.EOF},
		{"FIN", []Input{ReadEnded{Reason{cause.EOF, io.EOF}}}, Wrote{}, Us, io.EOF},
		{"a Close, and ours fails", []Input{TheirClose{theirs}}, Wrote{Reason: failed}, Peer, syscall.EPIPE},
		{"FIN, and ours fails", []Input{ReadEnded{Reason{cause.EOF, io.EOF}}}, Wrote{Reason: failed}, Transport, io.EOF},
		{"nothing, and ours fails", nil, Wrote{Reason: failed}, Transport, syscall.EPIPE},
		{"a Close, and ours is cut", []Input{TheirClose{theirs}}, Wrote{Reason: failed, Later: true, Rest: []byte{1}}, Peer, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var m Machine
			m.Open(Server, &someLimits)
			m.On(Ask{Frame: Frame{Code: 1001}}, 1)
			if a := m.Next(Facts{Between: true}, 1); a.Do != SendClose {
				t.Fatalf("action %d", a.Do)
			}
			for _, in := range tt.comes {
				m.On(in, 2)
			}
			if r := m.Record(); !r.Open() {
				t.Errorf("the first is told as %d while our Close is under way", r.First)
			}
			m.On(tt.wrote, 3)
			if r := m.Record(); r.First != tt.first || !errors.Is(r.Down, tt.down) {
				t.Errorf("first %d, down %v; want %d, %v", r.First, r.Down, tt.first, tt.down)
			}
		})
	}
}

// A Close of ours goes between two frames, or behind what is left of one (rule 9).
func TestWhereOurCloseGoes(t *testing.T) {
	tests := []struct {
		name    string
		edge    []Input
		facts   Facts
		do      Do
		intends bool
	}{
		{"between two frames", nil, Facts{Between: true}, SendClose, false},
		{"inside a frame", nil, Facts{}, Wait, false},
		{"while somebody writes", nil, Facts{Between: true, Writing: true}, Wait, false},
		{"inside a frame that nobody finishes", nil, Facts{App: App{Closed: true}}, EndTCP, true},
		{"behind the rest of a frame", []Input{FrameCut{Rest: []byte("rest")}}, Facts{App: App{Closed: true}}, SendClose, false},
		{"in front of what is owed", []Input{FrameCut{Owed: 4}}, Facts{App: App{Closed: true}}, Linger, false},
		{"behind what was owed", []Input{FrameCut{Owed: 4}, FrameCut{Rest: []byte("rest")}}, Facts{App: App{Closed: true}}, SendClose, false},
		{"behind what nobody owes any more", []Input{FrameCut{Owed: 4}, Disowned{}}, Facts{Between: true, App: App{Closed: true}}, SendClose, false},
		{"behind too much", []Input{FrameCut{Owed: MaxTail + 1}}, Facts{}, EndTCP, true},
		{"on a broken wire", []Input{WireBroken{}}, Facts{Between: true}, EndTCP, true},
		{"where the library is swallowed", []Input{AtBoundary{}}, Facts{}, SendClose, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var m Machine
			m.Open(Server, &someLimits)
			m.On(Ask{Frame: Frame{Code: 1001}}, 1)
			for _, in := range tt.edge {
				m.On(in, 1)
			}
			if a := m.Next(tt.facts, 1); a.Do != tt.do {
				t.Errorf("action %d, want %d", a.Do, tt.do)
			}
			if r := m.Record(); (r.Intended != nil) != tt.intends {
				t.Errorf("intended %v", r.Intended)
			}
		})
	}
}
