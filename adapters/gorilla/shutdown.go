package gorilla

// Busy marks the connection as in the middle of something that a shutdown
// should let it finish; see closeguard.Conn.Busy. In reduced mode it, Idle and
// SetKeys do nothing.
func (c *Conn) Busy() {
	if c.guarded != nil {
		c.guarded.Busy()
	}
}

// Idle takes Busy back. If a shutdown has begun, the connection is closed now.
func (c *Conn) Idle() {
	if c.guarded != nil {
		c.guarded.Idle()
	}
}

// SetKeys sets the keys by which closeguard.Guard.CloseKey finds the connection.
func (c *Conn) SetKeys(keys ...string) {
	if c.guarded != nil {
		c.guarded.SetKeys(keys...)
	}
}
