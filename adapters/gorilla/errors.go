package gorilla

import (
	"compress/flate"
	"errors"
	"io"
	"net"
	"slices"
	"time"

	"github.com/gorilla/websocket"
)

// ofMessage reports whether err concerns one message only: the connection goes
// on. Compressed data that is cut off is io.ErrUnexpectedEOF, and so is TLS.
func (c *Conn) ofMessage(err error) bool {
	var corrupt flate.CorruptInputError
	return errors.As(err, &corrupt) || errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(c.Event(), io.ErrUnexpectedEOF)
}

// ofTransport reports whether err came from the connection below the library.
func ofTransport(err error) bool {
	var op *net.OpError
	return errors.As(err, &op)
}

// tells reports whether err says more about why a connection ended than the
// Close frames do.
func tells(err error) bool {
	var ce *websocket.CloseError
	return !errors.As(err, &ce) && !errors.Is(err, websocket.ErrCloseSent) && !errors.Is(err, net.ErrClosed) && !timeout(err)
}

func timeout(err error) bool {
	var ne net.Error
	return errors.As(err, &ne) && ne.Timeout()
}

// tell passes on what the library says of the end, in reduced mode. A deadline
// ends nothing, and which Close the library sent by itself it hides.
func (c *Conn) tell(err error) {
	var ce *websocket.CloseError
	switch {
	case errors.As(err, &ce) && ce.Code != websocket.CloseAbnormalClosure:
		select { // the answer to our Close may be here before that has returned
		case c.ours <- struct{}{}:
			defer func() { <-c.ours }()
		case <-time.After(time.Second): // it is none: the peer doesn't read
		}
		c.guard.Driver().Received(ce.Code, ce.Text)
	case errors.Is(err, net.ErrClosed):
		c.guard.Driver().Closed()
	case errors.Is(err, websocket.ErrCloseSent), timeout(err):
	default:
		c.guard.Driver().Ended(err)
	}
}

// IsCloseError is the library's function of that name, which is always false
// on a close event because it asserts a type: it reports whether there is a
// *websocket.CloseError in err's tree and its code is one of codes.
func IsCloseError(err error, codes ...int) bool {
	var ce *websocket.CloseError
	return errors.As(err, &ce) && slices.Contains(codes, ce.Code)
}

// IsUnexpectedCloseError is the library's function of that name: it reports
// whether there is a *websocket.CloseError in err's tree and its code is none
// of expectedCodes.
func IsUnexpectedCloseError(err error, expectedCodes ...int) bool {
	var ce *websocket.CloseError
	return errors.As(err, &ce) && !slices.Contains(expectedCodes, ce.Code)
}
