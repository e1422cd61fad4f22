package check

import "golang.org/x/tools/go/ssa"

// returnsEvent has the adapters' functions whose error is a close event once the connection
// has ended.
var returnsEvent = map[string]bool{
	"(*" + gorillaAdapter + ".Conn).CloseWith":            true,
	"(*" + gorillaAdapter + ".Conn).NextReader":           true,
	"(*" + gorillaAdapter + ".Conn).NextWriter":           true,
	"(*" + gorillaAdapter + ".Conn).ReadJSON":             true,
	"(*" + gorillaAdapter + ".Conn).ReadMessage":          true,
	"(*" + gorillaAdapter + ".Conn).Translate":            true,
	"(*" + gorillaAdapter + ".Conn).WriteControl":         true,
	"(*" + gorillaAdapter + ".Conn).WriteJSON":            true,
	"(*" + gorillaAdapter + ".Conn).WriteMessage":         true,
	"(*" + gorillaAdapter + ".Conn).WritePreparedMessage": true,

	"(*" + coderAdapter + ".Conn).CloseWith": true,
	"(*" + coderAdapter + ".Conn).Do":        true,
	"(*" + coderAdapter + ".Conn).Ping":      true,
	"(*" + coderAdapter + ".Conn).Read":      true,
	"(*" + coderAdapter + ".Conn).Reader":    true,
	"(*" + coderAdapter + ".Conn).Translate": true,
	"(*" + coderAdapter + ".Conn).Write":     true,
	"(*" + coderAdapter + ".Conn).Writer":    true,
	coderAdapter + "/wsjson.Read":            true,
	coderAdapter + "/wsjson.Write":           true,
}

// isEvent reports whether v can be a close event: an error of an adapter's.
func (p *program) isEvent(v ssa.Value) bool {
	return p.comesFrom(v, func(call *ssa.CallCommon) bool {
		f := call.StaticCallee()
		return f != nil && f.Object() != nil && returnsEvent[f.RelString(nil)]
	})
}
