package faults

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/closeguard/ws/closeguard"
	"github.com/closeguard/ws/integration_test/sockets"
)

// An order is what a peer of the crowd tells the server's handler to do after
// some messages. Before and, unless it leaves, behind that the handler echoes.
type order struct {
	name string
	do   func(r *http.Request, s socket) (leave bool, err error)
}

var errFailed = errors.New("no database")

var orders = []order{
	{"echo", func(*http.Request, socket) (bool, error) { return false, nil }},
	{"close", func(_ *http.Request, s socket) (bool, error) { return false, s.CloseWith(3001, "done") }},
	{"closeAndLeave", func(_ *http.Request, s socket) (bool, error) { return true, s.CloseWith(3002, "done") }},
	{"handle", func(r *http.Request, _ socket) (bool, error) {
		return true, closeguard.FromContext(r.Context()).CloseWith(context.Background(), 3003, "done")
	}},
	{"handleAndRead", func(r *http.Request, _ socket) (bool, error) {
		go closeguard.FromContext(r.Context()).CloseWith(context.Background(), 3004, "done")
		return false, nil
	}},
	{"bare", func(_ *http.Request, s socket) (bool, error) { return true, s.Close() }},
	{"return", func(*http.Request, socket) (bool, error) { return true, nil }},
	{"error", func(*http.Request, socket) (bool, error) { return true, closeguard.Error(3005, "chosen", errFailed) }},
	{"fail", func(*http.Request, socket) (bool, error) { return true, errFailed }},
	{"panic", func(*http.Request, socket) (bool, error) { panic(http.ErrAbortHandler) }},
	{"abort", func(r *http.Request, _ socket) (bool, error) {
		closeguard.FromContext(r.Context()).Abort()
		return false, nil
	}},
	{"drop", func(*http.Request, socket) (bool, error) { return true, sockets.ErrDropped }},
	{"pour", func(_ *http.Request, s socket) (bool, error) {
		for message := make([]byte, 64<<10); ; {
			if err := s.Write(false, message); err != nil {
				return true, err
			}
		}
	}},
	{"writeBeside", func(_ *http.Request, s socket) (bool, error) { return true, sockets.Talk(s, 5*time.Millisecond) }},
}

// obey is the crowd's handler.
func obey(r *http.Request, s socket) error {
	after, err := strconv.Atoi(r.URL.Query().Get("after"))
	if err != nil {
		return err
	}
	if err := sockets.Echo(s, after); err != nil {
		return err
	}
	for _, o := range orders {
		if o.name != r.URL.Query().Get("do") {
			continue
		}
		if leave, err := o.do(r, s); leave {
			return err
		}
		return sockets.Echo(s, -1)
	}
	return errors.New("an order that nobody knows")
}
