package rawpeer

// Parse reads the frame at the beginning of b, of either direction. n is how
// many bytes it has, zero if b ends inside it.
func Parse(b []byte) (f Frame, n int) {
	f, size := parse(b)
	return f, int(size)
}
