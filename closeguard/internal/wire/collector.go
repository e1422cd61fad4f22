package wire

// Collector keeps the payload of a control frame, unmasked, while it comes in
// pieces. Its zero value is empty. Of a payload that is too long it keeps one
// byte more than there may be, so that whoever looks can tell.
type Collector struct {
	n       uint8
	payload [MaxControl + 1]byte
}

// Reset empties it for the next frame.
func (c *Collector) Reset() { c.n = 0 }

// Take adds p, payload bytes of the current frame that the last call of s.Next
// took.
func (c *Collector) Take(s *Scanner, p []byte) {
	at := int(c.n)
	c.n += uint8(copy(c.payload[at:], p)) // at most 126
	if h := s.Header(); h.Masked {
		XOR(c.payload[at:c.n], h.Mask, at)
	}
}

// Payload is what has come so far. It is valid until Reset.
func (c *Collector) Payload() []byte { return c.payload[:c.n] }
