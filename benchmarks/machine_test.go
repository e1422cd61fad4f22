package main

import "testing"

func TestOtherPrograms(t *testing.T) {
	for _, tt := range []struct {
		name        string
		before, now cpuTime
		want        float64
	}{
		{"none", cpuTime{1, 2}, cpuTime{5, 6}, 0},
		{"as much as we", cpuTime{1, 2}, cpuTime{5, 10}, 0.5},
		{"rounded in our favour", cpuTime{}, cpuTime{5, 4}, 0},
		{"not a moment later", cpuTime{5, 6}, cpuTime{5, 6}, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.now.since(tt.before).others(); got != tt.want {
				t.Errorf("others had %.2f, want %.2f", got, tt.want)
			}
		})
	}
	if u := usage(); u.own <= 0 || u.all < u.own {
		t.Errorf("we have used %v, all %v", u.own, u.all)
	}
}
