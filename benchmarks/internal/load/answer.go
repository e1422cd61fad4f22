package load

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/closeguard/ws/benchmarks/internal/child"
	"github.com/closeguard/ws/benchmarks/internal/wsraw"
)

// Answer waits on all connections of a group for the server's Close, answers
// it and waits for the end of TCP. It is an error if that fails on any.
func (l *Load) Answer(group int, _ *child.None) error {
	conns := l.group(group)
	errs := make([]error, len(conns))
	var wg sync.WaitGroup
	for i, c := range conns {
		wg.Go(func() { errs[i] = answer(c) })
	}
	wg.Wait()
	var failed []error
	for _, err := range errs {
		if err != nil {
			failed = append(failed, err)
		}
	}
	if len(failed) > 0 {
		return fmt.Errorf("%d of %d connections, the first: %w", len(failed), len(conns), failed[0])
	}
	return nil
}

func answer(c *wsraw.Conn) error {
	c.SetDeadline(time.Now().Add(time.Minute)) //nolint:errcheck // Read tells
	defer c.Close()
	var counter wsraw.Counter
	buf := make([]byte, 256)
	for counter.Closed == nil {
		n, err := c.Read(buf)
		if _, bad := counter.Feed(buf[:n]); bad != nil {
			return bad
		}
		if err != nil && counter.Closed == nil {
			return err
		}
	}
	if len(counter.Closed) < 2 {
		return errors.New("a Close without a code")
	}
	if _, err := c.Write(wsraw.Close(uint16(counter.Closed[0])<<8|uint16(counter.Closed[1]), "")); err != nil {
		return err
	}
	return finish(c, &counter)
}
