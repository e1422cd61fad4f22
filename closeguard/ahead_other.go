//go:build !unix

package closeguard

import "errors"

// readsNow: nothing is read ahead here.
const readsNow = false

func readNow(uintptr, []byte) (int, error) { return 0, errors.ErrUnsupported }
