package doctor

// An Opinion is the whole of the results.
type Opinion struct {
	Verdict Verdict // Bad: something is; CantTell: not everything that was to be examined could be, or nothing could be told
	Good    int
	Bad     int
	Unsure  int
	Missed  int     // of those that can't tell, how many had no WebSocket to look at
	Faults  []*Kind // those that something is bad of, in their order
}

// Judge forms it.
func Judge(results []Result) Opinion {
	var o Opinion
	for _, r := range results {
		switch r.Verdict {
		case Good:
			o.Good++
		case Bad:
			o.Bad++
			if n := len(o.Faults); n == 0 || o.Faults[n-1] != r.Kind {
				o.Faults = append(o.Faults, r.Kind)
			}
		case CantTell:
			o.Unsure++
		}
		if r.Unexamined {
			o.Missed++
		}
	}
	switch {
	case o.Bad > 0:
		o.Verdict = Bad
	case o.Good > 0 && o.Missed == 0:
		o.Verdict = Good
	}
	return o
}

// ExitStatus is 0 if all is good, 1 if something is bad, 2 if that couldn't be found out.
func (o Opinion) ExitStatus() int {
	switch o.Verdict {
	case Good:
		return 0
	case Bad:
		return 1
	case CantTell:
		return 2
	}
	return 2
}
