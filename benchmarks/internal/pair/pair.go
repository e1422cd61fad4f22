// Package pair compares bare with guarded by pairs of short measurements that
// alternate in one run, with a second bare one in each round as the control:
// what the machine does to all of them cancels out, and the control says how well.
package pair

// Subject is what one measurement of a round is about.
type Subject int

// The subjects of a round.
const (
	Bare Subject = iota
	Guarded
	Control // bare once more
)

func (s Subject) String() string { return [...]string{"bare", "guarded", "control"}[s] }

// orders are all there are. Each second one is the reverse of the one before, so that
// whatever grows steadily does equal harm to both sides; and after all six each subject
// was first, second and third as often as the others.
var orders = [...][3]Subject{
	{Bare, Guarded, Control}, {Control, Guarded, Bare},
	{Guarded, Control, Bare}, {Bare, Control, Guarded},
	{Control, Bare, Guarded}, {Guarded, Bare, Control},
}

// Order is the order of the subjects in a round, by its number.
func Order(round int) [3]Subject { return orders[round%len(orders)] }

// Results are what rounds have measured, in their order.
type Results[T any] struct{ Bare, Guarded, Control []T }

// Measure calls measure for every subject in n rounds, after one that isn't
// counted, and adds what it returns to the results. The orders go on where an
// earlier call has stopped. It stops at the first error.
func (r *Results[T]) Measure(n int, measure func(Subject) (T, error)) error {
	lists := [...]*[]T{Bare: &r.Bare, Guarded: &r.Guarded, Control: &r.Control}
	first := len(r.Bare)
	for i := range n + 1 {
		for _, s := range Order(first + max(0, i-1)) {
			v, err := measure(s)
			if err != nil {
				return err
			}
			if i > 0 {
				*lists[s] = append(*lists[s], v)
			}
		}
	}
	return nil
}

// Comparison is what rounds say about one quantity.
type Comparison struct {
	Bare, Guarded   float64   // medians
	Pairs, Controls []float64 // guarded to bare and control to bare, round by round
	Ratio, Control  Interval  // their medians
}

// Compare compares by ratios: of 1 both are the same.
func Compare[T any](r Results[T], quantity func(T) float64) Comparison {
	return compare(r, quantity, func(v, bare float64) float64 { return v / bare })
}

// Differ compares by differences: of 0 both are the same.
func Differ[T any](r Results[T], quantity func(T) float64) Comparison {
	return compare(r, quantity, func(v, bare float64) float64 { return v - bare })
}

func compare[T any](r Results[T], quantity func(T) float64, beside func(v, bare float64) float64) Comparison {
	var c Comparison
	var bare, guarded []float64
	for i := range r.Bare {
		b, g := quantity(r.Bare[i]), quantity(r.Guarded[i])
		bare, guarded = append(bare, b), append(guarded, g)
		c.Pairs = append(c.Pairs, beside(g, b))
		c.Controls = append(c.Controls, beside(quantity(r.Control[i]), b))
	}
	c.Bare, c.Guarded = Median(bare).Mid, Median(guarded).Mid
	c.Ratio, c.Control = Median(c.Pairs), Median(c.Controls)
	return c
}
