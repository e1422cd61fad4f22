package lexicon

import "github.com/closeguard/ws/closeguard"

// A text is in whole sentences.
type text struct{ shows, causes, cures string }

const shown = "Browsers' close event has the code, the reason, and wasClean true. "

// textOf is a code's own text, or that of its range.
func textOf(code closeguard.Code) text {
	if t, ok := texts[code]; ok {
		return t
	}
	switch {
	case code < 1000 || code > 4999:
		return text{
			"Clients take it for a broken frame: 1002 or 1006.",
			"A program passed a number that is no close code, such as an HTTP status, and its library didn't check.",
			"Choose one of 1000 to 1003, 1007 to 1013, or 4000 to 4999. closeguard sends 1011 in its place.",
		}
	case code < 3000:
		return text{
			"Most clients take it for a broken frame: 1002 or 1006.",
			"The code is not assigned. A later edition of the protocol may do so.",
			"Choose one of the private range, 4000 to 4999.",
		}
	case code < 4000:
		return text{
			shown + "Scripts may close with it.",
			"A library or framework has given it a meaning; IANA keeps the list, first come, first served.",
			"See the documentation of the library that closed. For codes of your own take 4000 to 4999.",
		}
	}
	return text{
		shown + "Scripts may close with it.",
		"The program on the other side has given it a meaning.",
		"See its documentation. Give closeguard the names of your own codes with Options.CodeName.",
	}
}

var texts = map[closeguard.Code]text{
	closeguard.NormalClosure: {
		shown + "Scripts may close with it. Many clients don't come back after it.",
		"What the connection was opened for is done. Some libraries also send it by themselves when a handler returns, whatever happened.",
		"None is needed. If clients should come back, close with 1001 or 1012.",
	},
	closeguard.GoingAway: {
		shown + "Clients mostly come back.",
		"A page is left or a tab closed; a server shuts down.",
		"None is needed. Spread the clients that come back (closeguard.Options.DrainWindow).",
	},
	closeguard.ProtocolError: {
		shown + "It blames the one who gets it.",
		"A frame that breaks the rules: not masked, reserved bits, a code that must not be sent. A proxy that changes bytes, two goroutines that write at once, or an old client that doesn't know 1012 to 1014.",
		"The event and the reason say which rule. Run the doctor at both ends, and look for a proxy in between.",
	},
	closeguard.UnsupportedData: {
		shown,
		"Binary was sent where only text is understood, or the other way round.",
		"Send the other kind of message.",
	},
	1004: {
		"Nobody sees it.",
		"The number is reserved, and has no meaning.",
		"Don't send it.",
	},
	closeguard.NoStatusReceived: {
		"Browsers show 1005 with wasClean true: a Close came, and had no code.",
		"close() was called without a code, as scripts mostly do.",
		"Say why: close(1000) or a code of yours. A library that is told to send 1005 has to send an empty Close.",
	},
	closeguard.AbnormalClosure: {
		"Browsers show 1006 with no reason and wasClean false, after an error event that says nothing more.",
		"TCP ended without a Close: a process was killed, a panic, a handler that closed without a word, an idle limit of a proxy, a network that broke, a Close that a reset destroyed. Browsers show it, too, when the opening handshake was refused.",
		"Look at the server's log line: its cause says which it was. The doctor finds what the server can mend; -idle finds a proxy's limit, -watch a restart that tells nobody. Put closeguard around the handler.",
	},
	closeguard.InvalidFramePayloadData: {
		shown,
		"A text message, or a reason, that is not UTF-8: bytes sent as text, or text cut inside a character.",
		"Send binary messages, or cut between characters.",
	},
	closeguard.PolicyViolation: {
		shown,
		"The program refuses: a login that ran out, a message that it doesn't allow, a client that is too slow.",
		"The reason says more, if the server gives one. For refusals that clients have to tell apart take codes of your own.",
	},
	closeguard.MessageTooBig: {
		shown + "While they still send, most show 1006 unless the server reads on, as closeguard does.",
		"A message was over the read limit: 32 KiB in coder unless set, SetReadLimit in gorilla.",
		"Send less at once, or raise the limit.",
	},
	closeguard.MandatoryExtension: {
		shown,
		"A client needs an extension that the server didn't agree to.",
		"Switch the extension on at the server, or do without it.",
	},
	closeguard.InternalError: {
		shown + "Some clients, of graphql-ws for one, don't come back after it.",
		"A handler failed or panicked.",
		"Look at the server's log: the event has the error. For what will pass take 1012 or 1013.",
	},
	closeguard.ServiceRestart: {
		shown + "Some older clients don't know it, and answer 1002.",
		"The server restarts.",
		"Come back after a random time of 5 to 30 s.",
	},
	closeguard.TryAgainLater: {
		shown + "Some older clients don't know it, and answer 1002.",
		"The server is overloaded, and sheds connections.",
		"Come back later, and elsewhere if there is another address.",
	},
	closeguard.BadGateway: {
		shown + "Many clients refuse it: gorilla, gws, tungstenite, gobwas, Tomcat. Users see 1002 or 1006 then.",
		"A gateway got an invalid answer from the server behind it.",
		"Look at that server. Gateways do better with 1011 or 1001, which everybody knows.",
	},
	1015: {
		"Nobody sends it. Browsers show 1006 for a failed TLS handshake.",
		"The TLS handshake failed, before there was a WebSocket.",
		"Look at the certificate: its name, its dates, and who signed it.",
	},
	closeguard.CodeUnauthorized: {
		shown,
		"The connection lacks valid credentials, as HTTP status 401 says.",
		"Log in again before you come back.",
	},
	closeguard.CodeForbidden: {
		shown,
		"The endpoint understood and refuses, as HTTP status 403 says.",
		"Don't come back with the same request.",
	},
	closeguard.CodeTimeout: {
		shown,
		"The other side took too long, as HTTP status 408 says.",
		"Come back; if it happens again, answer faster, or look for a slow network.",
	},
}
