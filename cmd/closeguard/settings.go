package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/textproto"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/closeguard/ws/cmd/closeguard/internal/client"
	"github.com/closeguard/ws/cmd/closeguard/internal/doctor"
)

// doctorSettings are what the command line of the doctor says.
type doctorSettings struct {
	endpoint *client.Endpoint
	probes   []*doctor.Probe
	timeout  time.Duration
	idle     time.Duration
	watch    int // clients
	watching time.Duration
	anyHost  bool
	heavy    bool
	list     bool
	json     bool
	html     string
}

func (s *doctorSettings) url() string { return s.endpoint.URL.Redacted() }

// parseDoctor reads the command line. The error is flag.ErrHelp if it asks for help,
// which has been written then.
func parseDoctor(args []string, stdout io.Writer) (*doctorSettings, error) {
	s := &doctorSettings{endpoint: &client.Endpoint{Header: make(http.Header)}}
	var only, authority string
	var insecure bool
	flags := flag.NewFlagSet("doctor", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.StringVar(&only, "only", "", "`names` of probes or kinds, with commas between them, to run only those")
	flags.BoolVar(&s.heavy, "heavy", false, "send megabytes, too: is the code lost then?")
	flags.DurationVar(&s.idle, "idle", 0, "also say nothing for this `time`: who ends a quiet connection, and when?")
	flags.IntVar(&s.watch, "watch", 0, "instead of all that stay connected with this `number` of clients, and tell what they see when the server is restarted")
	flags.DurationVar(&s.watching, "for", 10*time.Minute, "`time` to watch for")
	flags.DurationVar(&s.timeout, "timeout", 15*time.Second, "`time` that each probe has")
	flags.BoolVar(&s.anyHost, "yes-i-may-test-this-host", false, "examine another machine than this one")
	flags.Func("header", "`field` of the requests, as \"Name: value\"; may be given several times", s.addHeader)
	flags.Func("origin", "`origin` of the requests", s.setHeader("Origin"))
	flags.Func("subprotocol", "`names` of subprotocols to offer, with commas between them", s.setHeader("Sec-WebSocket-Protocol"))
	flags.StringVar(&s.endpoint.First, "send", "", "`text` to begin each connection with, such as a login")
	flags.BoolVar(&insecure, "insecure", false, "take any certificate")
	flags.StringVar(&authority, "ca", "", "`file` of certificates in PEM to trust instead of the system's")
	flags.BoolVar(&s.json, "json", false, "write JSON")
	flags.StringVar(&s.html, "html", "", "also write a page to this `file`")
	flags.BoolVar(&s.list, "list", false, "say what the probes do and how much they send, and send nothing")
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprintln(stdout, "usage: closeguard doctor [flags] ws://host/path") //nolint:errcheck // nobody reads it then
		flags.SetOutput(stdout)
		flags.PrintDefaults()
		return nil, err
	case err != nil:
		return nil, err
	case s.timeout <= 0 || s.watching <= 0 || s.idle < 0 || s.watch < 0:
		return nil, errors.New("-timeout and -for must be positive, -idle and -watch not negative")
	}
	if err := s.choose(only); err != nil || s.list {
		return s, err
	}
	if err := s.setTLS(insecure, authority); err != nil {
		return nil, err
	}
	return s, s.setURL(flags.Args())
}

func (s *doctorSettings) choose(only string) (err error) {
	var names []string
	if only != "" {
		names = strings.Split(only, ",")
	}
	if s.watch > 0 {
		s.probes = doctor.Watch(s.watch, s.watching)
		return nil
	}
	s.probes, err = doctor.Select(names, s.heavy)
	if s.idle > 0 {
		s.probes = append(s.probes, doctor.Idle(s.idle))
	}
	return err
}

func (s *doctorSettings) setURL(args []string) error {
	if len(args) != 1 {
		return errors.New("doctor needs one URL, such as ws://127.0.0.1:8080/ws, behind the flags")
	}
	u, err := url.Parse(args[0])
	switch {
	case err != nil:
		return err
	case u.Scheme != "ws" && u.Scheme != "wss":
		return fmt.Errorf("the URL's scheme is %q: must be ws or wss", u.Scheme)
	case u.Hostname() == "":
		return errors.New("the URL has no host")
	}
	s.endpoint.URL = u
	return nil
}

func (s *doctorSettings) addHeader(field string) error {
	name, value, ok := strings.Cut(field, ":")
	if !ok || textproto.TrimString(name) == "" {
		return errors.New("must be \"Name: value\"")
	}
	s.endpoint.Header.Add(textproto.TrimString(name), textproto.TrimString(value))
	return nil
}

func (s *doctorSettings) setHeader(name string) func(string) error {
	return func(value string) error {
		s.endpoint.Header.Set(name, value)
		return nil
	}
}

func (s *doctorSettings) setTLS(insecure bool, authority string) error {
	s.endpoint.TLS = &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: insecure} // as it was asked for
	if authority == "" {
		return nil
	}
	pem, err := os.ReadFile(authority)
	if err != nil {
		return err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return fmt.Errorf("%s has no certificates in PEM", authority)
	}
	s.endpoint.TLS.RootCAs = roots
	return nil
}
