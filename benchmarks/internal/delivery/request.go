package delivery

import (
	"context"
	"errors"
	"fmt"

	"github.com/closeguard/ws/closeguard"
)

// request is a handler's wish to close with a frame, legal or not.
type request struct{ frame closeguard.CloseFrame }

func (r *request) Error() string { return fmt.Sprint("close with ", r.frame) }

// asked makes of a handler's error what an adapter's Handler understands.
func asked(err error) error {
	if ask := (*request)(nil); errors.As(err, &ask) {
		return errClose(int(ask.frame.Code), ask.frame.Reason)
	}
	return err
}

// silent makes a handler return without a Close: bare, TCP is closed; an
// adapter's Handler knows no such thing, and a context's end comes closest.
func silent(err error) error {
	if err == nil {
		return context.Canceled
	}
	return err
}
