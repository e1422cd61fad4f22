package main

import (
	"errors"

	"github.com/closeguard/ws/integration_test/peers"
)

// client is one of those that delivery asks what they saw.
type client struct {
	*peers.Client
	name string // in the table

	// wordless says that the client doesn't tell whether an end was clean: one with the
	// intended code is.
	wordless bool

	// unclean says that the client calls an end unclean while something that it wanted to
	// send is still in its own buffer.
	unclean bool
}

// startClients starts all. Of those that can't be started the error tells why; the others
// are there.
func startClients() (all []client, err error) {
	var errs []error
	start := func(peer string, c client) {
		var err error
		if c.Client, err = peers.Start(peer); err != nil {
			errs = append(errs, err)
			return
		}
		all = append(all, c)
	}
	start("ws", client{name: "ws"})
	start("undici", client{name: "undici"})
	start("websockets", client{name: "websockets", wordless: true})
	start("jdk", client{name: "JDK", wordless: true})
	start("chromium", client{name: "Chromium", unclean: true})
	start("firefox", client{name: "Firefox"})
	return all, errors.Join(errs...)
}
