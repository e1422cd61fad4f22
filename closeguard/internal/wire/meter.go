package wire

// Meter counts the messages in one direction of a connection and the bytes of their
// payload, however the stream is cut. It ends at a Close, and at a frame that breaks a
// rule of framing. Its zero value is at the start of a server's stream.
type Meter struct {
	Scanner

	Messages uint64 // that are whole
	Bytes    uint64 // of messages' payload, also of one that is not whole
}

// Take counts the next bytes of the stream. Reserved bits that are claimed are no fault.
func (m *Meter) Take(p []byte, claimed byte) {
	m.Claimed = claimed
	for m.Fault() == NoFault && m.Opcode() != Close {
		n, token := m.Next(p)
		p = p[n:]
		data := !m.Opcode().Control()
		if data && (token == End || token == More && m.inPayload) {
			m.Bytes += uint64(n)
		}
		switch {
		case token == More:
			return
		case token == End && data && !m.fragmented:
			m.Messages++
		}
	}
}
