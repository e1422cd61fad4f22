package gorilla

// Busy marks the connection as in the middle of something that a shutdown
// should let it finish; see closeguard.Handle.Busy. In reduced mode it, Idle and
// SetKeys do nothing.
func (c *Conn) Busy() { c.guard.Busy() }

// Idle takes Busy back. If a shutdown has begun, the connection is closed now.
func (c *Conn) Idle() { c.guard.Idle() }

// SetKeys sets the keys by which closeguard.Guard.CloseKey finds the connection.
func (c *Conn) SetKeys(keys ...string) { c.guard.SetKeys(keys...) }
