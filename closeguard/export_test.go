package closeguard

import "net"

func init() { handsOverTwo = append(handsOverTwo, "github.com/closeguard/ws/closeguard.HandOver") }

// HandOver is a Write of the first of two pieces, as gorilla/websocket's by
// net.Buffers.WriteTo is, but that it stops behind it.
func HandOver(c *Conn, p []byte) (int, error) {
	n, err := (&net.Buffers{p}).WriteTo(c)
	return int(n), err
}

// Held reports whether a piece is held for a connection.
func Held(c *Conn) bool { return c.link.guard.joints.held(c.link) != nil }

// ReadAhead is how many bytes were read ahead for a connection whose Reads are over, and
// how many of its guard's hold some.
func ReadAhead(c *Conn) (bytes, conns int) {
	l := c.link
	l.mu.Lock()
	defer l.mu.Unlock()
	if a := l.in.ahead; a.left() == 0 && a != nil && a.bytes != nil {
		return cap(a.bytes), int(l.guard.rooms.taken.Load()) // it keeps a room that it has given back
	}
	return l.in.ahead.left(), int(l.guard.rooms.taken.Load())
}

// MostRooms is how many connections of a guard's hold bytes that were read ahead.
const MostRooms = mostRooms
