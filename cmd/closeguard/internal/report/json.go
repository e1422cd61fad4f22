package report

import (
	"encoding/json"
	"io"

	"github.com/closeguard/ws/cmd/closeguard/internal/doctor"
)

type document struct {
	URL     string          `json:"url"`
	Verdict doctor.Verdict  `json:"verdict"`
	Results []doctor.Result `json:"results"`
	Faults  []fault         `json:"faults"`
}

type fault struct {
	Kind  string `json:"kind"`
	Means string `json:"means"`
	Cure  string `json:"cure"`
}

// JSON writes one object.
func JSON(w io.Writer, url string, results []doctor.Result) error {
	o := doctor.Judge(results)
	d := document{URL: url, Verdict: o.Verdict, Results: results, Faults: []fault{}}
	for _, kind := range o.Faults {
		d.Faults = append(d.Faults, fault{kind.Name, kind.Means, kind.Cure})
	}
	out := json.NewEncoder(w)
	out.SetIndent("", "  ")
	return out.Encode(d)
}
