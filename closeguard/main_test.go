package closeguard

import (
	"fmt"
	"os"
	"reflect"
	"testing"
)

// All connections on which nothing points to an end share calm. Who writes to
// it changes them all.
func TestMain(m *testing.M) {
	code := m.Run()
	if !reflect.DeepEqual(calm, new(closing)) {
		fmt.Fprintf(os.Stderr, "a test has written to calm: %+v\n", calm)
		code = 1
	}
	os.Exit(code)
}
