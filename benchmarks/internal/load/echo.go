package load

import (
	"fmt"
	"runtime/debug"
	"time"

	"github.com/closeguard/ws/benchmarks/internal/wsraw"
)

// Echo says what to send to an echo server.
type Echo struct {
	Group    int // of connections that are open
	Conns    int // of the group that are used, at most
	Size     int // bytes of a message
	Window   int // messages under way on each connection: 1 is ping-pong
	WarmUp   time.Duration
	Duration time.Duration // after it
}

// Echoed is what came back in time: after the warm-up and before the end.
type Echoed struct {
	Messages int
	All      int // with those of the warm-up and those that came after the end
	Elapsed  time.Duration
	P99      time.Duration // from a message's Write to its echo's last byte
}

// Rate is in messages per second.
func (e Echoed) Rate() float64 { return float64(e.Messages) / e.Elapsed.Seconds() }

// Echo sends on connections of a group for a while, waits for the last echoes and
// tells what came. It collects no garbage meanwhile.
func (l *Load) Echo(e Echo, r *Echoed) error {
	conns := l.group(e.Group)
	if len(conns) == 0 {
		return fmt.Errorf("there is no group %d", e.Group)
	}
	conns = conns[:min(len(conns), e.Conns)]
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	type result struct {
		*stream
		err error
	}
	results := make(chan result, len(conns))
	streams := make([]*stream, len(conns))
	for i, c := range conns {
		streams[i] = &stream{conn: c, frame: wsraw.Message(e.Size, c.Deflate), times: new(histogram), buf: make([]byte, 64<<10)}
	}
	begin := time.Now().Add(e.WarmUp)
	end := begin.Add(e.Duration)
	for i, c := range conns {
		go func() {
			s := streams[i]
			s.begin, s.end = begin, end
			var err error
			c.SetDeadline(end.Add(20 * time.Second)) //nolint:errcheck // Read tells
			if e.Window == 1 {
				err = s.pingPong()
			} else {
				err = s.pipeline(e.Window)
			}
			results <- result{s, err}
		}()
	}
	total := new(histogram)
	var errs []error
	for range conns {
		res := <-results
		r.Messages += res.times.n
		r.All += res.all
		total.add(res.times)
		if res.err != nil {
			errs = append(errs, res.err)
		}
	}
	r.Elapsed = e.Duration
	r.P99 = total.quantile(0.99)
	if len(errs) > 0 {
		return fmt.Errorf("%d of %d connections: %w", len(errs), len(conns), errs[0])
	}
	return nil
}

// stream is one connection at work.
type stream struct {
	conn       *wsraw.Conn
	frame      []byte
	begin, end time.Time // between which echoes count
	counter    wsraw.Counter
	buf        []byte
	times      *histogram // of those that count
	all        int        // echoes
}

// record records k echoes that came now.
func (s *stream) record(k int, now time.Time, sent func() time.Time) {
	s.all += k
	for range k {
		if t := sent(); !now.Before(s.begin) && now.Before(s.end) {
			s.times.record(now.Sub(t))
		}
	}
}

// read reads once and returns how many echoes are complete now.
func (s *stream) read() (int, error) {
	n, err := s.conn.Read(s.buf)
	if err != nil {
		return 0, err
	}
	k, err := s.counter.Feed(s.buf[:n])
	if err == nil && s.counter.Closed != nil {
		err = fmt.Errorf("the server closed: % x", s.counter.Closed)
	}
	return k, err
}

func (s *stream) pingPong() error {
	for sent := time.Now(); sent.Before(s.end); {
		if _, err := s.conn.Write(s.frame); err != nil {
			return err
		}
		for k := 0; k == 0; {
			var err error
			if k, err = s.read(); err != nil {
				return err
			}
		}
		now := time.Now()
		s.record(1, now, func() time.Time { return sent })
		sent = now
	}
	return nil
}

// pipeline keeps a window full: as many messages as echoes came are sent in
// one Write, by another goroutine, since neither direction may wait for the
// other.
func (s *stream) pipeline(window int) error {
	burst := make([]byte, 0, window*len(s.frame))
	for range window {
		burst = append(burst, s.frame...)
	}
	sent := make(chan time.Time, window) // in the order of the echoes
	credits := make(chan int, window)
	failed := make(chan error, 1)
	go func() {
		defer close(sent)
		for n := range credits {
			now := time.Now()
			for range n {
				sent <- now
			}
			if _, err := s.conn.Write(burst[:n*len(s.frame)]); err != nil {
				failed <- err
				return
			}
		}
	}()
	credits <- window
	err := s.echoes(window, sent, credits)
	close(credits)
	select {
	case err = <-failed:
	default:
	}
	return err
}

func (s *stream) echoes(window int, sent <-chan time.Time, credits chan<- int) error {
	for underWay := window; underWay > 0; {
		k, err := s.read()
		if err != nil {
			return err
		}
		if k == 0 {
			continue
		}
		now := time.Now()
		s.record(k, now, func() time.Time { return <-sent })
		if now.Before(s.end) {
			credits <- k
		} else {
			underWay -= k
		}
	}
	return nil
}
