package driver

import (
	"errors"
	"fmt"
	"net/http"
)

// NilArgument is the error of an adapter's function, such as "gorilla.Wrap", whose
// argument of that name is nil.
func NilArgument(function, name string) error {
	return errors.New("closeguard: " + function + ": " + name + " is nil")
}

// Unguarded is the error of an adapter's function for a request's connection that
// is not below a guard and was to be there. It says what to do about it.
func Unguarded(function string, r *http.Request) error {
	path := ""
	if r.URL != nil {
		path = r.URL.Path
	}
	return fmt.Errorf("closeguard: %s: no guard guards the connection of the request for %q: "+
		"its handler has to be below Guard.Middleware, and to use the ResponseWriter and the Request that it is given", function, path)
}
