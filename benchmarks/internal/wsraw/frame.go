package wsraw

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"fmt"
	"strings"
)

// The opcodes in use here.
const (
	opContinuation = 0x0
	opBinary       = 0x2
	opClose        = 0x8
)

// Message makes the frame of a client's binary message of size bytes of
// something like JSON, deflated if the connection is. The masking key is 0.
func Message(size int, deflate bool) []byte {
	const item = `{"id":184467,"user":"kim","text":"see you at the station at 8","unread":true},`
	payload := []byte(strings.Repeat(item, size/len(item)+1)[:size])
	first := byte(0x80 | opBinary)
	if deflate {
		first |= 0x40
		payload = compress(payload)
	}
	return frame(first, payload)
}

// Close makes a client's Close frame.
func Close(code uint16, reason string) []byte {
	return frame(0x80|opClose, append(binary.BigEndian.AppendUint16(nil, code), reason...))
}

func frame(first byte, payload []byte) []byte {
	b := []byte{first}
	switch n := len(payload); {
	case n < 126:
		b = append(b, 0x80|byte(n))
	case n < 1<<16:
		b = binary.BigEndian.AppendUint16(append(b, 0x80|126), uint16(n))
	default:
		b = binary.BigEndian.AppendUint64(append(b, 0x80|127), uint64(n))
	}
	b = append(b, 0, 0, 0, 0)
	return append(b, payload...)
}

// compress is RFC 7692 section 7.2.1.
func compress(payload []byte) []byte {
	var b bytes.Buffer
	w, _ := flate.NewWriter(&b, flate.BestSpeed) // the level is legal
	w.Write(payload)                             //nolint:errcheck // a Buffer's Write doesn't fail
	w.Flush()                                    //nolint:errcheck // as above
	return bytes.TrimSuffix(b.Bytes(), []byte{0, 0, 0xff, 0xff})
}

// Counter counts the messages in a server's frames. Its zero value is at the
// start of the stream.
type Counter struct {
	head [10]byte
	got  int
	left uint64
	body bool
	last bool // the frame is the last of a message
	// Closed is the payload of the server's Close, nil until it has all come.
	Closed []byte
	close  []byte
}

// Feed takes the next bytes and returns how many messages end in them. Bytes
// behind a Close are not looked at.
func (c *Counter) Feed(p []byte) (messages int, err error) {
	for c.Closed == nil {
		if !c.body {
			if p, err = c.header(p); err != nil || !c.body {
				return messages, err
			}
		}
		n := min(uint64(len(p)), c.left)
		if c.close != nil {
			c.close = append(c.close, p[:n]...)
		}
		p = p[n:]
		if c.left -= n; c.left > 0 {
			return messages, nil
		}
		c.body = false
		switch {
		case c.close != nil:
			c.Closed = c.close
		case c.last:
			messages++
		}
	}
	return messages, nil
}

func (c *Counter) header(p []byte) ([]byte, error) {
	for need := c.size(); c.got < need; need = c.size() {
		if len(p) == 0 {
			return nil, nil
		}
		n := copy(c.head[c.got:need], p)
		c.got += n
		p = p[n:]
	}
	c.left = uint64(c.head[1])
	switch c.head[1] {
	case 126:
		c.left = uint64(binary.BigEndian.Uint16(c.head[2:]))
	case 127:
		c.left = binary.BigEndian.Uint64(c.head[2:])
	}
	switch op := c.head[0] & 0xf; op {
	case opContinuation, 1, opBinary:
		c.last = c.head[0]&0x80 != 0
	case opClose:
		c.close = []byte{}
	default:
		return nil, fmt.Errorf("unexpected frame % x", c.head[:c.got])
	}
	c.got, c.body = 0, true
	return p, nil
}

// size is the size of the header as far as its bytes tell.
func (c *Counter) size() int {
	switch {
	case c.got < 2:
		return 2
	case c.head[1] == 126:
		return 4
	case c.head[1] == 127:
		return 10
	default:
		return 2
	}
}
