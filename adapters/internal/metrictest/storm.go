package metrictest

import (
	"context"
	"io"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/closeguard/ws/closeguard"
	"github.com/closeguard/ws/closeguard/closetest"
)

// Storm opens n connections, n divisible by 4, and ends them at one moment, a quarter each
// by the peer's 1001, by a peer's code of its own, by its disappearance and by the
// program's 1000. A log and a recorder observe beside the observer. When Storm returns
// they know of all.
func Storm(t *testing.T, n int, observer closeguard.Observer) *closeguard.Guard {
	t.Helper()
	var events closetest.Recorder
	logged := closeguard.LogObserver(slog.New(slog.NewJSONHandler(io.Discard, nil)))
	guard, err := closeguard.New(closeguard.Options{
		Observers: []closeguard.Observer{logged, &events, observer},
		CloseIdle: time.Minute, // a busy machine is no cause
	})
	if err != nil {
		t.Fatal(err)
	}
	begin := make(chan struct{})
	var peers, programs sync.WaitGroup
	for i := range n {
		theirs, ours := closetest.Pipe()
		conn, err := guard.WrapConn(ours, closeguard.Server)
		if err != nil {
			t.Fatal(err)
		}
		peer := closetest.NewPeer(theirs, closeguard.Client)
		peers.Go(func() {
			<-begin
			switch i % 4 {
			case 0:
				peer.WriteClose(closeguard.GoingAway, "")
			case 1:
				peer.WriteClose(closeguard.Code(3000+i%2000), Hostile)
			case 2:
				peer.Close()
				return
			}
			closetest.Polite.Run(context.Background(), peer)
		})
		programs.Go(func() {
			if i%4 == 3 {
				<-begin
				conn.CloseWith(context.Background(), closeguard.NormalClosure, "")
			}
			io.Copy(io.Discard, conn)
			conn.Close()
		})
	}
	began := time.Now()
	close(begin)
	peers.Wait()
	programs.Wait()
	if _, err := guard.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d closes in %v", n, time.Since(began).Round(time.Millisecond))
	if told := len(events.Closed()); told != n {
		t.Errorf("%d close events, want %d", told, n)
	}
	return guard
}
