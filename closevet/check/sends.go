package check

// frameArgs says which arguments of a call are a Close frame's code and reason.
type frameArgs struct{ code, reason int }

// sendsFrame has what takes a code and a reason that are to be sent.
var sendsFrame = map[string]frameArgs{
	gorillaLib + ".FormatCloseMessage":         {0, 1},
	"(*" + coderLib + ".Conn).Close":           {0, 1},
	"(*" + nhooyrLib + ".Conn).Close":          {0, 1},
	"(*" + coderAdapter + ".Conn).Close":       {0, 1},
	"(*" + coderAdapter + ".Conn).CloseWith":   {1, 2},
	"(*" + gorillaAdapter + ".Conn).CloseWith": {1, 2},
	"(*" + core + ".Handle).CloseWith":         {1, 2},
	core + ".Error":                            {0, 1},
}

// sendsPayload has what takes the kind of a message and, behind it, its payload. A Close
// frame's is the code in two bytes and the reason.
var sendsPayload = map[string]bool{
	"(*" + gorillaLib + ".Conn).WriteControl":     true,
	"(*" + gorillaLib + ".Conn).WriteMessage":     true,
	"(*" + gorillaAdapter + ".Conn).WriteControl": true,
	"(*" + gorillaAdapter + ".Conn).WriteMessage": true,
	gorillaLib + ".NewPreparedMessage":            true,
}

// sendsStruct has what takes a closeguard.CloseFrame that is to be sent, and where.
var sendsStruct = map[string]int{
	"(*" + core + ".Guard).CloseKey":  2,
	"(*" + core + ".Guard).CloseFunc": 2,
}

// closeOpcode is the kind of a Close in sendsPayload.
const closeOpcode = 8
