package closeguard

import (
	"strings"
	"testing"
)

// codes is the specification: every registered code and every edge of a range.
var codes = []struct {
	code           Code
	number         int
	name           string // "" for codes without a row in the registry
	text           string // String
	in             codeRange
	server, client bool // may begin a Close with it
}{
	{NormalClosure, 1000, "normal closure", "1000 normal closure", rangeProtocol, true, true},
	{GoingAway, 1001, "going away", "1001 going away", rangeProtocol, true, true},
	{ProtocolError, 1002, "protocol error", "1002 protocol error", rangeProtocol, true, true},
	{UnsupportedData, 1003, "unsupported data", "1003 unsupported data", rangeProtocol, true, true},
	{codeReserved, 1004, "reserved", "1004 reserved", rangeProtocol, false, false},
	{NoStatusReceived, 1005, "no status received", "1005 no status received", rangeProtocol, false, false},
	{AbnormalClosure, 1006, "abnormal closure", "1006 abnormal closure", rangeProtocol, false, false},
	{InvalidFramePayloadData, 1007, "invalid frame payload data", "1007 invalid frame payload data", rangeProtocol, true, true},
	{PolicyViolation, 1008, "policy violation", "1008 policy violation", rangeProtocol, true, true},
	{MessageTooBig, 1009, "message too big", "1009 message too big", rangeProtocol, true, true},
	{MandatoryExtension, 1010, "mandatory extension", "1010 mandatory extension", rangeProtocol, false, true},
	{InternalError, 1011, "internal error", "1011 internal error", rangeProtocol, true, true},
	{ServiceRestart, 1012, "service restart", "1012 service restart", rangeProtocol, true, true},
	{TryAgainLater, 1013, "try again later", "1013 try again later", rangeProtocol, true, true},
	{BadGateway, 1014, "bad gateway", "1014 bad gateway", rangeProtocol, true, true},
	{codeTLSHandshake, 1015, "TLS handshake", "1015 TLS handshake", rangeProtocol, false, false},
	{CodeUnauthorized, 3000, "unauthorized", "3000 unauthorized", rangeRegistered, true, true},
	{CodeForbidden, 3003, "forbidden", "3003 forbidden", rangeRegistered, true, true},
	{CodeTimeout, 3008, "timeout", "3008 timeout", rangeRegistered, true, true},

	{-1, -1, "", "-1 outside", rangeOutside, false, false},
	{0, 0, "", "0 unused", rangeUnused, false, false},
	{999, 999, "", "999 unused", rangeUnused, false, false},
	{1016, 1016, "", "1016 unassigned", rangeProtocol, false, false},
	{2999, 2999, "", "2999 unassigned", rangeProtocol, false, false},
	{3001, 3001, "", "3001 unassigned", rangeRegistered, true, true},
	{3999, 3999, "", "3999 unassigned", rangeRegistered, true, true},
	{4000, 4000, "", "4000 private use", rangePrivate, true, true},
	{4999, 4999, "", "4999 private use", rangePrivate, true, true},
	{5000, 5000, "", "5000 outside", rangeOutside, false, false},
	{65535, 65535, "", "65535 outside", rangeOutside, false, false},
	{65536, 65536, "", "65536 outside", rangeOutside, false, false},
	{65536 + 1000, 66536, "", "66536 outside", rangeOutside, false, false}, // 1000 in its low 16 bits
	{70000, 70000, "", "70000 outside", rangeOutside, false, false},
}

// sendable reports whether an endpoint of that role may begin a Close with the number.
func sendable(c Code, role Role) bool {
	return c != NoStatusReceived && CloseFrame{Code: c}.Validate(role) == nil
}

func TestCodes(t *testing.T) {
	for _, tt := range codes {
		t.Run(tt.text, func(t *testing.T) {
			if int(tt.code) != tt.number {
				t.Errorf("number %d, want %d", int(tt.code), tt.number)
			}
			if got := tt.code.Name(); got != tt.name {
				t.Errorf("Name() = %q, want %q", got, tt.name)
			}
			if got := tt.code.String(); got != tt.text {
				t.Errorf("String() = %q, want %q", got, tt.text)
			}
			if got := tt.code.block(); got != tt.in {
				t.Errorf("block() = %v, want %v", got, tt.in)
			}
			if got := sendable(tt.code, Server); got != tt.server {
				t.Errorf("sent by a server = %v, want %v", got, tt.server)
			}
			if got := sendable(tt.code, Client); got != tt.client {
				t.Errorf("sent by a client = %v, want %v", got, tt.client)
			}
		})
	}
}

// Between the edges of the table nothing is different.
func TestUnnamedCodesFollowTheirRange(t *testing.T) {
	named := map[Code]bool{}
	for _, tt := range codes {
		named[tt.code] = tt.name != ""
	}
	for c := Code(-10); c <= 70_000; c++ {
		if named[c] {
			continue
		}
		want := c >= 3000 && c <= 4999
		if sendable(c, Server) != want || sendable(c, Client) != want {
			t.Errorf("%v: sendable = %v by a server, %v by a client, want %v",
				c, sendable(c, Server), sendable(c, Client), want)
		}
		if c.Name() != "" {
			t.Errorf("%v has the name %q", c, c.Name())
		}
	}
}

func TestReceivableIsWhatEitherRoleMaySend(t *testing.T) {
	for _, tt := range codes {
		if got, want := sendable(tt.code, Client), tt.server || tt.client; got != want {
			t.Errorf("what may come: %v = %v, want %v", tt.code, got, want)
		}
	}
}

func TestZeroValues(t *testing.T) {
	var (
		role Role
		code Code
		in   codeRange
	)
	if role != Server {
		t.Errorf("the zero Role is %v, want server", role)
	}
	if in != rangeUnused || code.block() != in {
		t.Errorf("the zero range is %v and the zero Code is in %v, want unused", in, code.block())
	}
}

func TestUnknownRoleIsAServer(t *testing.T) {
	const unknown = Role(7)
	if got := unknown.String(); got != "Role(7)" {
		t.Errorf("String() = %q", got)
	}
	for _, tt := range codes {
		if got := sendable(tt.code, unknown); got != tt.server {
			t.Errorf("sendable(%v, %v) = %v, want %v as for a server", tt.code, unknown, got, tt.server)
		}
	}
}

func TestRoleAndRangeNames(t *testing.T) {
	var got []string
	for r := Server; r <= Client; r++ {
		got = append(got, r.String())
	}
	for r := rangeUnused; r <= rangeOutside+1; r++ {
		got = append(got, r.String())
	}
	want := "server,client,unused,protocol,registered,private use,outside,codeRange(5)"
	if s := strings.Join(got, ","); s != want {
		t.Errorf("got %s, want %s", s, want)
	}
}

func TestCodeTextAllocates(t *testing.T) {
	var kept string // on the heap
	tests := []struct {
		name string
		f    func()
		want float64
	}{
		{"name", func() { _ = GoingAway.Name() }, 0},
		{"text of a named code", func() { _ = CodeTimeout.String() }, 0},
		{"text of an unnamed code", func() { kept = Code(4000).String() }, 1},
	}
	for _, tt := range tests {
		if got := testing.AllocsPerRun(100, tt.f); got != tt.want {
			t.Errorf("%s: %v allocations, want %v", tt.name, got, tt.want)
		}
	}
	if kept != "4000 private use" {
		t.Errorf("String() = %q", kept)
	}
}
