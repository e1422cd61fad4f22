// Package rude measures how long a server's close takes towards peers that
// don't do their part.
package rude

import (
	"io"

	"github.com/closeguard/ws/benchmarks/internal/wsraw"
)

// Peers are the ways to be rude.
var Peers = []string{"deaf", "stalled", "non-reading"}

// hold is a peer: it asks for a close, is rude, and goes when done is closed.
func hold(url, kind string, done <-chan struct{}) error {
	c, err := wsraw.Dial(url, false)
	if err != nil {
		return err
	}
	if _, err := c.Write(wsraw.Message(64, false)); err != nil {
		c.Close()
		return err
	}
	if kind == "stalled" { // inside a frame
		if _, err := c.Write(wsraw.Message(1000, false)[:20]); err != nil {
			c.Close()
			return err
		}
	}
	if kind != "non-reading" {
		go io.Copy(io.Discard, c) //nolint:errcheck // it never answers
	}
	go func() {
		<-done
		c.Close()
	}()
	return nil
}
