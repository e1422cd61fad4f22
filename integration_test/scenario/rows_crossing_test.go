package scenario

// crossing is both ends closing at once: which frame counts as the first is
// decided by the order on this end, and both must be told.
func crossing(name, source string, ours app, theirs frame, received string) row {
	return row{
		name: name, source: source, app: ours, peer: []step{act, send(theirs)},
		wire:  "close *; FIN",
		event: "* closed * clean, sent *, received " + received,
	}
}

func crossings() []row {
	return []row{
		crossing("crossing closes", "peers.md 6", does(closes(4001, "ours")), closing(4000, "theirs"), `4000 "theirs"`),
		crossing("crossing closes with the same code", "coder map 3", does(closes(4000, "")), closing(4000, ""), "4000"),
		crossing("a crossing empty close", "peers.md 6", does(closes(4001, "")), empty, "empty"),
		crossing("crossing with CloseWith", "peers.md 6", does(finishes(4001, "")), closing(4000, ""), "4000"),
		crossing("crossing with a bare close", "design rule 5", does(drops), closing(4000, ""), "4000").unless(but{when: "coder client adapter", why: "CloseNow through the adapter sends nothing, as its documentation says", wire: "*", event: "*"}),
		crossing("crossing with a shutdown", "peers.md 6", does(shutsDown), closing(4000, ""), "4000"),
		crossing("crossing with a handler's return", "peers.md 6", does(returns(nil)), closing(4000, ""), "4000").unless(but{when: "coder client adapter", why: "CloseNow through the adapter sends nothing, as its documentation says", wire: "*", event: "*"}),
		{
			name: "the peer's close is there before ours leaves", source: "coder map 3", app: app{reads: oneOnly, does: []deed{all(closes(4001, ""), returns(nil))}},
			peer: []step{send(hello, closing(4000, "")), act}, wire: "close 4001; FIN", event: "peer closed 4000 clean, sent 4001, received 4000",
			but: []but{guardAnswers("close 4000; FIN", "peer closed 4000 clean, sent 4000, received 4000")},
		},
	}
}
