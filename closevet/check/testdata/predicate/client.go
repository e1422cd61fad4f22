package predicate

import "github.com/closeguard/ws/adapters/gorilla"

type client struct{ conn *gorilla.Conn }
