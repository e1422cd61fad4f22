package load

import (
	"math/bits"
	"time"
)

// fine is how many buckets of a histogram there are between a duration and its
// double: each is 0.4 % wide.
const (
	fineBits = 8
	fine     = 1 << fineBits
)

// histogram counts durations of up to about an hour.
type histogram struct {
	buckets [36 * fine]uint32
	n       int
}

func (h *histogram) record(d time.Duration) {
	v := uint64(max(d, 0))
	i := v
	if e := bits.Len64(v); e > fineBits+1 {
		shift := e - fineBits - 1
		i = uint64(shift)<<fineBits + v>>shift
	}
	h.buckets[min(i, uint64(len(h.buckets)-1))]++
	h.n++
}

func (h *histogram) add(o *histogram) {
	for i, n := range o.buckets {
		h.buckets[i] += n
	}
	h.n += o.n
}

// quantile is the duration below which the share q of all is.
func (h *histogram) quantile(q float64) time.Duration {
	left := int(q * float64(h.n))
	for i, n := range h.buckets {
		if left < int(n) {
			return value(uint64(i))
		}
		left -= int(n)
	}
	return 0
}

// value is the least duration of bucket i.
func value(i uint64) time.Duration {
	if i < 2*fine {
		return time.Duration(i)
	}
	shift := i>>fineBits - 1
	return time.Duration((i - shift<<fineBits) << shift)
}
