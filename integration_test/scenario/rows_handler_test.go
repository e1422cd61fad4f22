package scenario

import (
	"context"
	"net"
	"os"

	"github.com/closeguard/ws/closeguard"
)

// returning is a server's handler that returns err, through an adapter: plain
// code has nobody to return it to, so its deferred close is a bare one.
func returning(name string, err error, said, event string) row {
	return row{
		name: name, source: "design adapters", only: "server", app: does(returns(err)), peer: []step{act, readClose, send(normal)},
		wire: "close " + said + "; FIN", event: event, cause: err,
		but: []but{{when: "plain", why: "nobody takes a plain handler's error", wire: "close 1001; FIN", event: "local closed 1001 clean, sent 1001, received 1000", cause: closeguard.ErrBareClose}},
	}
}

func handlerEnds() []row {
	const failed = `1011 "internal error"`
	return []row{
		returning("the handler returns nil", nil, "1000", "local closed 1000 clean, sent 1000, received 1000"),
		returning("the handler returns an error", errHandler, failed, "local closed 1011 clean, sent "+failed+", received 1000"),
		returning("the handler returns closeguard.Error", closeguard.Error(4001, "no seat", nil), `4001 "no seat"`, `local closed 4001 clean, sent 4001 "no seat", received 1000`).because(nil),
		returning("the handler returns closeguard.Error with a cause", closeguard.Error(4001, "", errHandler), "4001", `local closed 4001 clean, sent 4001, received 1000`).because(errHandler),
		returning("the handler returns an illegal closeguard.Error", closeguard.Error(1006, "lost", nil), `1001 "lost"`, `local closed 1001 clean, sent 1001 "lost", received 1000, intended 1006 "lost"`).because(nil),
		returning("the handler returns a context's end", context.Canceled, "1001", "local closed 1001 clean, sent 1001, received 1000"),
		returning("the handler returns a deadline's", os.ErrDeadlineExceeded, "1001", "local closed 1001 clean, sent 1001, received 1000"),
		{
			name: "the handler panics", source: "pitfall 43", only: "server", app: does(panics), peer: []step{act, readClose, send(normal)},
			wire: "close " + failed + "; FIN", event: "local closed 1011 clean, sent " + failed + ", received 1000", cause: errHandler,
		},
		{
			name: "the handler panics inside the peer's message", source: "pitfall 43", only: "server", app: does(panics), peer: []step{send(fragments("a", "b")[0]), act, readClose, send(normal)},
			wire: "close " + failed + "; FIN", event: "local closed 1011 clean, sent " + failed + ", received 1000", cause: errHandler,
		},
		{
			name: "the handler panics after its close", source: "pitfall 43", only: "server", app: app{reads: never, does: []deed{startsToFinish(""), panics}}, peer: []step{act, readClose, act, send(normal)},
			wire: "close 4001; FIN", event: "local closed 4001 clean, sent 4001, received 1000",
			but: []but{{when: "adapter", why: "a plain handler may panic only when the answer has ended the connection", cause: errHandler}},
		},
		{
			name: "a client's function returns", source: "design rule 5", only: "client", app: does(returns(nil)), peer: []step{act, readClose, send(closing(1001, ""))},
			wire: "close 1001; FIN", event: "local closed 1001 clean, sent 1001, received 1001", but: []but{noFrame("FIN")},
		},
		{
			name: "the handler returns in the middle of an upload", source: "design", only: "server", app: app{reads: discards, does: []deed{returns(closeguard.Error(1008, "no", nil))}},
			peer: []step{act, send(binaryOf(2 << 20)), readClose, send(normal)},
			wire: `close 1008 "no"; FIN`, event: `local closed 1008 clean, sent 1008 "no", received 1000`,
			but: []but{{when: "plain", why: "nobody takes a plain handler's error", wire: "close 1001; FIN", event: "local closed 1001 clean, sent 1001, received 1000"}},
		},
		{
			name: "a blocked read is interrupted", source: "coder map 4", app: does(interrupts), peer: []step{act}, limits: short, wire: "FIN", event: "dropped 1006",
			but: []but{
				{when: "server adapter", why: "the handler returned the timeout, which is an explicit close", wire: "close 1001; FIN", event: "local closed 1001, sent 1001"},
				{when: "coder plain", why: "that a context ended it can't be told from a bare close", wire: "close 1001; FIN", event: "local closed 1001, sent 1001"},
			},
		},
		{
			name: "a result between the peer's close and the answer", source: "pitfall 6", app: app{reads: one, does: []deed{answers}},
			peer: []step{send(hello, closing(4000, "")), act}, wire: hello.String() + "; close 4000; FIN", event: "peer closed 4000 clean, sent 4000, received 4000",
		},
		{
			name: "two results between the peer's close and the answer", source: "pitfall 6", app: app{reads: one, does: []deed{all(says("first"), answers)}},
			peer: []step{send(hello, closing(4000, "")), act}, wire: `text "first"; ` + hello.String() + "; close 4000; FIN", event: "peer closed 4000 clean, sent 4000, received 4000",
		},
		{
			name: "the handler returns behind the peer's close", source: "pitfall 6", app: app{reads: oneOnly, does: []deed{all(answers, returns(nil))}},
			peer: []step{send(hello, closing(4000, "done")), act}, wire: hello.String() + `; close 4000 "done"; FIN`, event: `peer closed 4000 clean, sent 4000 "done", received 4000 "done"`,
		},
		{
			name: "the handler fails behind the peer's close", source: "pitfall 6", only: "server", app: app{reads: oneOnly, does: []deed{returns(errHandler)}},
			peer: []step{send(hello, closing(4000, "done")), act}, wire: `close 4000 "done"; FIN`, event: `peer closed 4000 clean, sent 4000 "done", received 4000 "done"`,
		},
		{
			name: "our own close behind the peer's, unread", source: "design rule 4", app: app{reads: oneOnly, does: []deed{all(closes(4001, "mine"), returns(nil))}},
			peer: []step{send(hello, closing(4000, "done")), act}, wire: `close 4001 "mine"; FIN`, event: `peer closed 4000 clean, sent 4001 "mine", received 4000 "done"`,
			but: []but{guardAnswers(`close 4000 "done"; FIN`, `peer closed 4000 clean, sent 4000 "done", received 4000 "done"`)},
		},
		{
			name: "a handler that never reads, dropped", source: "pitfall 40", app: app{reads: never, does: []deed{all(drops, returns(net.ErrClosed))}},
			peer: []step{act, readClose, send(closing(1001, ""))}, wire: "close 1001; FIN", event: "local closed 1001 clean, sent 1001, received 1001", but: []but{noFrame("FIN")},
		},
		{
			name: "the handler returns while a goroutine reads", source: "issue 3", only: "server", app: app{reads: discards, does: []deed{returns(nil)}},
			peer: []step{send(hello), act, readClose, send(normal)}, wire: "close 1000; FIN", event: "local closed 1000 clean, sent 1000, received 1000",
			but: []but{{when: "plain", why: "the deferred close is a bare one", wire: "close 1001; FIN", event: "local closed 1001 clean, sent 1001, received 1000"}},
		},
		{
			name: "the handler returns while a goroutine writes", source: "issue 3", only: "server", app: app{does: []deed{all(pours(huge[:1000]), returns(nil))}},
			peer: []step{act, readClose, send(normal)}, wire: "*close 1000; FIN", event: "local closed 1000 clean, sent 1000, received 1000",
			but: []but{{when: "plain", why: "the deferred close is a bare one", wire: "*close 1001; FIN", event: "local closed 1001 clean, sent 1001, received 1000"}},
		},
	}
}

// guardAnswers is coder's Close through the adapter.
func guardAnswers(wire, event string) but {
	return but{when: "coder adapter", why: "its Close is the guard's CloseWith, which answers a Close that is there", wire: wire, event: event}
}

// because replaces the cause.
func (r row) because(cause error) row {
	r.cause = cause
	return r
}
