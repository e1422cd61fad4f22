package load

import (
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/closeguard/ws/benchmarks/internal/wsraw"
)

// Life says how many connections to open, use and close.
type Life struct {
	URL   string
	Conns int // in all
}

// workers is how many connections live at a time.
const workers = 16

// Life dials, has one message echoed, closes with 1000 and waits for the
// answer and the end of TCP, and tells how long all connections took.
func (l *Load) Life(a Life, took *time.Duration) error {
	var next atomic.Int64
	errs := make(chan error, workers)
	message, farewell := wsraw.Message(64, false), wsraw.Close(1000, "")
	began := time.Now()
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for next.Add(1) <= int64(a.Conns) {
				if err := live(a.URL, message, farewell); err != nil {
					errs <- err
					return
				}
			}
		})
	}
	wg.Wait()
	*took = time.Since(began)
	select {
	case err := <-errs:
		return err
	default:
		return nil
	}
}

func live(url string, message, farewell []byte) error {
	c, err := wsraw.Dial(url, false)
	if err != nil {
		return err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(20 * time.Second)) //nolint:errcheck // Read tells
	if _, err := c.Write(message); err != nil {
		return err
	}
	var counter wsraw.Counter
	buf := make([]byte, 1024)
	for echoed := 0; echoed == 0; {
		n, err := c.Read(buf)
		if err != nil {
			return err
		}
		if echoed, err = counter.Feed(buf[:n]); err != nil {
			return err
		}
	}
	if _, err := c.Write(farewell); err != nil {
		return err
	}
	return finish(c, &counter)
}

// finish reads the server's Close and the end of its stream.
func finish(c *wsraw.Conn, counter *wsraw.Counter) error {
	for buf := make([]byte, 1024); ; {
		n, err := c.Read(buf)
		if _, err := counter.Feed(buf[:n]); err != nil {
			return err
		}
		switch {
		case errors.Is(err, io.EOF) && counter.Closed != nil:
			return nil
		case err != nil:
			return fmt.Errorf("after Close % x: %w", counter.Closed, err)
		}
	}
}
