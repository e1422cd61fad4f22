package closeguard

import "strconv"

// A Role is the side of a connection on which an endpoint stands. The zero
// Role is Server, and so is, for every rule of this package, a value that is
// neither constant.
type Role uint8

const (
	Server Role = iota // accepted the connection; its frames are not masked
	Client             // dialed the connection; its frames are masked
)

// String returns "server" or "client", or "Role(n)" for any other value.
func (r Role) String() string {
	switch r {
	case Server:
		return "server"
	case Client:
		return "client"
	}
	return "Role(" + strconv.Itoa(int(r)) + ")"
}

// A Code is a close code, the number at the start of a Close frame's payload
// (RFC 6455 calls it status code, section 7.4). It is an int and not the 16
// bits of the wire, so that a number that does not fit is refused instead of
// becoming another one. The zero Code is in the unused range and never legal.
//
// The constants are the rows of the IANA WebSocket Close Code Number Registry
// (https://www.iana.org/assignments/websocket), without 1004 and 1015, which nobody
// sends and no program meets. Either side may send a code unless its comment
// says otherwise, and any of 3000 to 4999; [CloseFrame.Validate] is the rule as code.
type Code int

// Nobody may send these two (RFC 6455 section 7.4.1), and no program meets them.
const (
	codeReserved     Code = 1004
	codeTLSHandshake Code = 1015
)

// Those up to 1011 are of RFC 6455 section 7.4.1, 1012 to 1014 of the mailing list hybi,
// messages 09670 and 10748, the others were registered first come, first served.
const (
	// NormalClosure: what the connection was opened for is done.
	NormalClosure Code = 1000

	// GoingAway: the endpoint goes away, a server that shuts down or a browser
	// that leaves the page.
	GoingAway Code = 1001

	// ProtocolError: the other side broke a rule of the protocol.
	ProtocolError Code = 1002

	// UnsupportedData: a kind of message the endpoint cannot take, such as a
	// binary one where only text is understood.
	UnsupportedData Code = 1003

	// NoStatusReceived stands for a Close frame that carries no code. Nobody
	// may send the number; a CloseFrame with it is the empty Close.
	NoStatusReceived Code = 1005

	// AbnormalClosure stands for the end of a connection without a Close frame.
	// Nobody may send it.
	AbnormalClosure Code = 1006

	// InvalidFramePayloadData: the content of a message does not fit its type,
	// such as a text that is not UTF-8.
	InvalidFramePayloadData Code = 1007

	// PolicyViolation: a message breaks the endpoint's policy. It is also the
	// code for refusals that no other code fits, or whose cause is to stay
	// hidden.
	PolicyViolation Code = 1008

	// MessageTooBig: a message is larger than the endpoint can process.
	MessageTooBig Code = 1009

	// MandatoryExtension: the server did not negotiate an extension that the
	// client needs; the reason should list the missing ones. Only clients may
	// send it. A server that begins a Close with it breaks the text of the RFC,
	// but is understood: the code is accepted from both sides.
	MandatoryExtension Code = 1010

	// InternalError: an unexpected condition keeps the endpoint from going on. The
	// RFC speaks of servers; its erratum 3227, which the registry cites, gives the
	// code to both sides.
	InternalError Code = 1011

	// ServiceRestart: the server restarts. A client that reconnects should do
	// so after a random delay "of 5 - 30s", so that not all return at once.
	//
	// Not every client takes 1012 and 1013. Qt 5.15, libwebsockets 4.1, Tomcat 10.1,
	// libsoup 3.2 and Ruby's faye-websocket 0.11 answer 1002, WebKitGTK 2.50 reports
	// 1006, gobwas/ws 1.5.0 and Python's websocket-client 1.2.3 fail. GoingAway
	// reaches them all.
	ServiceRestart Code = 1012

	// TryAgainLater: the server is overloaded and sheds connections. A client
	// should connect to another address of the service if there is one, and to
	// the same one only "upon user action". As to clients, see ServiceRestart.
	TryAgainLater Code = 1013

	// BadGateway: a gateway or proxy got an invalid response from the server
	// behind it, as HTTP status 502 says. More clients refuse it than 1012 and 1013:
	// gorilla/websocket 1.5.3, lxzan/gws, tungstenite, gobwas/ws, Tomcat, cowlib and
	// Bandit as a protocol error, while uWebSockets reports 1006.
	BadGateway Code = 1014

	// CodeUnauthorized: the connection lacks valid credentials, as HTTP status
	// 401 says.
	CodeUnauthorized Code = 3000

	// CodeForbidden: the endpoint understood and refuses, as HTTP status 403
	// says.
	CodeForbidden Code = 3003

	// CodeTimeout: the other side took too long, as HTTP status 408 says.
	CodeTimeout Code = 3008
)

// registered returns the number and the name of a code that has a row of its
// own in the registry, and "" for the others. Constants, so that neither
// String nor Name allocates.
func (c Code) registered() string {
	switch c {
	case NormalClosure:
		return "1000 normal closure"
	case GoingAway:
		return "1001 going away"
	case ProtocolError:
		return "1002 protocol error"
	case UnsupportedData:
		return "1003 unsupported data"
	case codeReserved:
		return "1004 reserved"
	case NoStatusReceived:
		return "1005 no status received"
	case AbnormalClosure:
		return "1006 abnormal closure"
	case InvalidFramePayloadData:
		return "1007 invalid frame payload data"
	case PolicyViolation:
		return "1008 policy violation"
	case MessageTooBig:
		return "1009 message too big"
	case MandatoryExtension:
		return "1010 mandatory extension"
	case InternalError:
		return "1011 internal error"
	case ServiceRestart:
		return "1012 service restart"
	case TryAgainLater:
		return "1013 try again later"
	case BadGateway:
		return "1014 bad gateway"
	case codeTLSHandshake:
		return "1015 TLS handshake"
	case CodeUnauthorized:
		return "3000 unauthorized"
	case CodeForbidden:
		return "3003 forbidden"
	case CodeTimeout:
		return "3008 timeout"
	}
	return ""
}

// Name returns the registry's name of the code in lower case and without its
// abbreviations, such as "going away", or "" if the registry has no row for it.
func (c Code) Name() string {
	if s := c.registered(); s != "" {
		return s[len("1000 "):]
	}
	return ""
}

// String returns the number and, after a space, the name. A code without a
// name gets the registry's word for its place: "2999 unassigned",
// "3001 unassigned", "4000 private use", "999 unused", "70000 outside".
func (c Code) String() string {
	if s := c.registered(); s != "" {
		return s
	}
	r := c.block()
	word := r.String()
	if r == rangeProtocol || r == rangeRegistered {
		word = "unassigned"
	}
	var buf [32]byte
	b := strconv.AppendInt(buf[:0], int64(c), 10)
	b = append(b, ' ')
	return string(append(b, word...))
}

// A codeRange is one of the blocks into which RFC 6455 section 7.4.2 divides the
// close codes. The zero one is rangeUnused, the range of the zero Code.
type codeRange uint8

const (
	rangeUnused     codeRange = iota // 0 to 999: not used, never legal
	rangeProtocol                    // 1000 to 2999: for the protocol and its extensions, assigned one by one
	rangeRegistered                  // 3000 to 3999: for libraries, frameworks and applications, registered with IANA
	rangePrivate                     // 4000 to 4999: private use, by agreement of the two sides
	rangeOutside                     // negative, and 5000 up: in no range of the RFC, never legal
)

// String returns "unused", "protocol", "registered", "private use" or
// "outside", or "codeRange(n)" for any other value.
func (r codeRange) String() string {
	switch r {
	case rangeUnused:
		return "unused"
	case rangeProtocol:
		return "protocol"
	case rangeRegistered:
		return "registered"
	case rangePrivate:
		return "private use"
	case rangeOutside:
		return "outside"
	}
	return "codeRange(" + strconv.Itoa(int(r)) + ")"
}

// block returns the range that the code is in.
func (c Code) block() codeRange {
	switch {
	case c < 0 || c > 4999:
		return rangeOutside
	case c > 3999:
		return rangePrivate
	case c > 2999:
		return rangeRegistered
	case c > 999:
		return rangeProtocol
	}
	return rangeUnused
}
