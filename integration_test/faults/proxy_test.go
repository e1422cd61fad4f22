package faults

import (
	"fmt"
	"strings"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/Shopify/toxiproxy/v2/toxics"
	"github.com/rs/zerolog"

	"github.com/closeguard/ws/integration_test/rawpeer"
)

// A line is a way to the server on which things go wrong.
type line interface {
	connect(path string, opts ...rawpeer.Option) (*rawpeer.Peer, error)
	close()
}

// A proxy is a line through toxiproxy.
type proxy struct{ *toxiproxy.Proxy }

var proxies = toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())

// newProxy starts a proxy in front of a server. One that resets ends its
// connections so when it is stopped, others with FIN: toxiproxy sets SO_LINGER
// where a link with this toxic starts, also if it never bites.
func newProxy(upstream string, resets bool) (*proxy, error) {
	p := &proxy{toxiproxy.NewProxy(proxies, "p", "127.0.0.1:0", upstream)}
	if resets {
		if err := p.add("reset_peer", "upstream", `"timeout": 0`, 0); err != nil {
			return nil, err
		}
	}
	return p, p.Start()
}

func (p *proxy) connect(path string, opts ...rawpeer.Option) (*rawpeer.Peer, error) {
	return rawpeer.Connect("ws://"+p.Listen+path, opts...)
}

func (p *proxy) close() { p.Stop() }

// add adds a toxic to both directions or to one of them, to this share of the
// connections.
func (p *proxy) add(kind, direction, attributes string, share float64) error {
	directions := []string{direction}
	if direction == "both" {
		directions = []string{"upstream", "downstream"}
	}
	for _, d := range directions {
		toxic := fmt.Sprintf(`{"name": %q, "type": %q, "stream": %q, "toxicity": %g, "attributes": {%s}}`, kind+" "+d, kind, d, share, attributes)
		if _, err := p.Toxics.AddToxicJson(strings.NewReader(toxic)); err != nil {
			return fmt.Errorf("%s: %w", toxic, err)
		}
	}
	return nil
}

// A blackHole is a toxic that swallows what comes after so many bytes. A toxic
// that is added to busy connections can make toxiproxy wait for ever, this one
// is there from their beginning.
type blackHole struct {
	After int `json:"after"`
}

func init() { toxics.Register("black_hole", new(blackHole)) }

// Pipe passes on what comes, or not.
func (b *blackHole) Pipe(stub *toxics.ToxicStub) {
	for passed := 0; ; {
		select {
		case <-stub.Interrupt:
			return
		case c := <-stub.Input:
			if c == nil {
				stub.Close()
				return
			}
			if passed += len(c.Data); passed <= b.After {
				stub.Output <- c
			}
		}
	}
}
