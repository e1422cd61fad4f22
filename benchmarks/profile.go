package main

import (
	"fmt"
	"path/filepath"
	"time"

	"github.com/closeguard/ws/benchmarks/internal/child"
	"github.com/closeguard/ws/benchmarks/internal/load"
	"github.com/closeguard/ws/benchmarks/internal/pair"
	"github.com/closeguard/ws/benchmarks/internal/server"
)

// profiles writes CPU profiles of the server, bare and guarded, where the
// guard's share is largest: with small messages, and with short lives.
func (b *bench) profiles(dir string) error {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	for _, library := range libraries {
		for _, p := range b.patterns() {
			if err := b.profileEcho(dir, library, p); err != nil {
				return err
			}
		}
		if err := b.profileLife(dir, library); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) profileEcho(dir, library string, p pattern) error {
	e, err := b.startEcho(site{server.Config{Library: library}, p}, pair.Order(0))
	if err != nil {
		return err
	}
	defer e.close()
	for _, s := range []pair.Subject{pair.Bare, pair.Guarded} {
		err := e.profile(filepath.Join(dir, fmt.Sprintf("%s-%d-%s.pprof", library, p.conns, s)), func() (string, error) {
			r, err := e.run(s, 64, time.Duration(b.scale(5, 1))*time.Second)
			return fmt.Sprintf("%s/s, %s CPU per message", thousands(r.Rate()), duration(r.cpuPerMessage())), err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) profileLife(dir, library string) error {
	sides, err := startSides(false)
	if err != nil {
		return err
	}
	defer sides.close()
	url, err := sides.start(server.Config{Library: library})
	if err != nil {
		return err
	}
	for _, s := range []pair.Subject{pair.Bare, pair.Guarded} {
		err := sides.profile(filepath.Join(dir, fmt.Sprintf("%s-life-%s.pprof", library, s)), func() (string, error) {
			var took time.Duration
			err := sides.load.Call("Life", load.Life{URL: url + pathOf(s), Conns: b.scale(10_000, 1000)}, &took)
			return "in " + took.String(), err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// profile runs something under the server's profiler.
func (s *sides) profile(file string, run func() (string, error)) error {
	if err := s.server.Call("Profile", file, &child.None{}); err != nil {
		return err
	}
	what, err := run()
	if err != nil {
		return err
	}
	fmt.Println(file+":", what)
	return s.server.Call("Profile", "", &child.None{})
}
