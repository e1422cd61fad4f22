package closetest_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/closeguard/ws/closeguard"
	"github.com/closeguard/ws/closeguard/closetest"
)

func opened(n uint64) closeguard.Event {
	return &closeguard.Opened{ConnInfo: closeguard.ConnInfo{Number: n, Path: fmt.Sprint("/", n)}}
}

func peerClosed(n uint64, code closeguard.Code, cause error) closeguard.CloseEvent {
	ev := new(closeguard.PeerClosed)
	ev.ConnInfo = closeguard.ConnInfo{Number: n, Path: fmt.Sprint("/", n)}
	ev.Received = &closeguard.CloseFrame{Code: code}
	ev.Err = cause
	return ev
}

func clean(ev closeguard.CloseEvent) closeguard.CloseEvent {
	ev.(*closeguard.PeerClosed).Sent = ev.(*closeguard.PeerClosed).Received
	return ev
}

var errCause = errors.New("cause")

func TestFilters(t *testing.T) {
	events := []closeguard.Event{
		0: opened(1),
		1: opened(2),
		2: &closeguard.Refused{Status: 403, ConnInfo: closeguard.ConnInfo{Path: "/2"}},
		3: clean(peerClosed(1, 1000, nil)),
		4: peerClosed(2, 4000, errCause),
	}
	var r closetest.Recorder
	for _, ev := range events {
		r.Observe(t.Context(), ev)
	}
	for _, tt := range []struct {
		name    string
		filters []closetest.Filter
		want    []int
	}{
		{"none", nil, []int{0, 1, 2, 3, 4}},
		{"Ended", []closetest.Filter{closetest.Ended}, []int{3, 4}},
		{"Unclean", []closetest.Filter{closetest.Unclean}, []int{4}},
		{"Is", []closetest.Filter{closetest.Is[*closeguard.Refused]}, []int{2}},
		{"Number", []closetest.Filter{closetest.Number(2)}, []int{1, 4}},
		{"Path", []closetest.Filter{closetest.Path("/2")}, []int{1, 2, 4}},
		{"WithCode", []closetest.Filter{closetest.WithCode(1000, 1001)}, []int{3}},
		{"CausedBy", []closetest.Filter{closetest.CausedBy(errCause)}, []int{4}},
		{"Not", []closetest.Filter{closetest.Not(closetest.Ended)}, []int{0, 1, 2}},
		{"several", []closetest.Filter{closetest.Ended, closetest.Path("/1")}, []int{3}},
		{"of one's own", []closetest.Filter{func(ev closeguard.Event) bool { return ev == events[0] }}, []int{0}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var want []closeguard.Event
			for _, i := range tt.want {
				want = append(want, events[i])
			}
			if got := r.Events(tt.filters...); fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("passed %v, want %v", got, want)
			}
		})
	}
	if got := r.Closed(); len(got) != 2 || got[0] != events[3] || got[1] != events[4] {
		t.Errorf("Closed returned %v", got)
	}
	if got := r.Of(1); len(got) != 2 || got[0] != events[0] || got[1] != events[3] {
		t.Errorf("Of(1) returned %v", got)
	}
	if got := r.Of(2, closetest.Ended); len(got) != 1 || got[0] != events[4] {
		t.Errorf("Of(2, Ended) returned %v", got)
	}
}

func TestTakeForgets(t *testing.T) {
	var r closetest.Recorder
	r.Observe(t.Context(), opened(1))
	if got := r.Take(); len(got) != 1 {
		t.Errorf("Take returned %v, want the event", got)
	}
	r.Observe(t.Context(), opened(2))
	if got := r.Take(); len(got) != 1 || got[0].Connection().Number != 2 {
		t.Errorf("Take returned %v, want the second event alone", got)
	}
	if got := r.Events(); len(got) != 0 {
		t.Errorf("behind Take there is %v", got)
	}
}

// What was handed out doesn't change when more is told.
func TestEventsAreACopy(t *testing.T) {
	var r closetest.Recorder
	r.Observe(t.Context(), opened(1))
	r.Observe(t.Context(), opened(2))
	r.Events()[0] = nil
	if r.Events()[0] == nil {
		t.Error("a change of what Events returned changed the recorder")
	}
	filters := make([]closetest.Filter, 1, 2)
	filters[0] = closetest.Number(1)
	r.Closed(filters...)
	if filters[:2][1] != nil {
		t.Error("Closed wrote into the caller's filters")
	}
}

func TestWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r closetest.Recorder
		r.Observe(t.Context(), peerClosed(1, 1000, nil))
		go func() {
			for n := range uint64(3) {
				time.Sleep(time.Minute)
				r.Observe(t.Context(), opened(n))
				r.Observe(t.Context(), peerClosed(n, 4000, nil))
			}
		}()
		began := time.Now()
		for _, tt := range []struct {
			n       int
			filters []closetest.Filter
			want    time.Duration
		}{
			{0, nil, 0},
			{1, nil, 0},
			{3, nil, time.Minute},
			{2, []closetest.Filter{closetest.WithCode(4000)}, 2 * time.Minute},
			{4, []closetest.Filter{closetest.Ended}, 3 * time.Minute},
		} {
			events, err := r.Wait(t.Context(), tt.n, tt.filters...)
			if d := time.Since(began); len(events) < tt.n || err != nil || d != tt.want {
				t.Errorf("Wait for %d returned %d events, %v after %v, want them after %v", tt.n, len(events), err, d, tt.want)
			}
		}
	})
}

func TestSeveralWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r closetest.Recorder
		var waiting sync.WaitGroup
		for n := range 10 {
			waiting.Go(func() {
				if events, err := r.WaitClosed(t.Context(), n); len(events) < n || err != nil {
					t.Errorf("WaitClosed(%d) returned %v, %v", n, events, err)
				}
			})
		}
		synctest.Wait()
		for range 10 {
			waiting.Go(func() { r.Observe(t.Context(), peerClosed(1, 1000, nil)) })
		}
		waiting.Wait()
	})
}

func TestWaitObeysItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r closetest.Recorder
		r.Observe(t.Context(), peerClosed(1, 1000, nil))
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		events, err := r.WaitClosed(ctx, 2)
		if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "1 of 2") || len(events) != 1 {
			t.Errorf("WaitClosed returned %v, %v, want what there is and the context's error", events, err)
		}
	})
}

// The recorder serves a guard outside of bubbles as well.
func TestRecorderOfAGuard(t *testing.T) {
	var r closetest.Recorder
	g, err := closeguard.New(closeguard.Options{Observers: []closeguard.Observer{&r}})
	if err != nil {
		t.Fatal(err)
	}
	a, b := closetest.Pipe()
	if _, err := g.WrapConn(a, closeguard.Server); err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	g.Close()
	events, err := r.Wait(t.Context(), 2)
	if err != nil || !closetest.Is[*closeguard.Opened](events[0]) || !closetest.Ended(events[1]) {
		t.Errorf("recorded %v, %v, want the opening and the end", events, err)
	}
}
