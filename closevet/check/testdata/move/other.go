package move

import "github.com/coder/websocket"

func forward(from, to *websocket.Conn) { to.CloseNow() }
