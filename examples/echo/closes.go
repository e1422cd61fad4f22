package main

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/closeguard/ws/closeguard"
)

// keep is how many endings closes.json goes back.
const keep = 5000

// closes observes the last endings, and serves them as JSON. All methods may
// be called at the same time.
type closes struct {
	mu   sync.Mutex
	ring []ending // grows to keep
	next int      // where the oldest is, once it is full
}

type ending struct {
	tag  string
	json json.RawMessage
}

// Observe keeps an event if it is the end of a connection.
func (c *closes) Observe(ctx context.Context, ev closeguard.Event) {
	if _, ok := ev.(closeguard.CloseEvent); !ok {
		return
	}
	e := ending{tagOf(ev), object(ctx, ev)}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.ring) < keep {
		c.ring = append(c.ring, e)
		return
	}
	c.ring[c.next] = e
	c.next = (c.next + 1) % keep
}

// ServeHTTP answers with the endings, newest first; with ?t=TAG those only
// whose connection came with that tag.
func (c *closes) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := json.Marshal(c.newest(tag(r)))
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.Write(body) //nolint:errcheck // the client is gone
}

// newest returns what is kept, the newest first; with a tag only what has it.
func (c *closes) newest(tag string) []json.RawMessage {
	c.mu.Lock()
	defer c.mu.Unlock()
	found := make([]json.RawMessage, 0, len(c.ring))
	for i := range c.ring {
		e := c.ring[(c.next+len(c.ring)-1-i)%len(c.ring)]
		if tag == "" || e.tag == tag {
			found = append(found, e.json)
		}
	}
	return found
}

// object is an event as JSON: what its log line has in the group, and beside
// it the connection's own attributes. It knows none of the keys.
func object(ctx context.Context, ev closeguard.Event) json.RawMessage {
	r := slog.NewRecord(time.Time{}, 0, "", 0)
	r.AddAttrs(ev.LogValue().Group()...)
	r.AddAttrs(ev.Connection().Attrs...)
	var line bytes.Buffer
	encoder := slog.NewJSONHandler(&line, &slog.HandlerOptions{ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
		if len(groups) == 0 && (a.Key == slog.LevelKey || a.Key == slog.MessageKey) {
			return slog.Attr{} // a record always has these two
		}
		return a
	}})
	encoder.Handle(ctx, r) //nolint:errcheck // a Buffer's Write doesn't fail
	return bytes.TrimSpace(line.Bytes())
}

const tagKey = "tag"

// tag is what a client marks its connection with, to find its ending again.
func tag(r *http.Request) string {
	t := r.URL.Query().Get("t")
	return t[:min(len(t), 64)]
}

// attrs gives a connection its tag, for the log and for closes.json.
func attrs(r *http.Request) []slog.Attr {
	if t := tag(r); t != "" {
		return []slog.Attr{slog.String(tagKey, t)}
	}
	return nil
}

func tagOf(ev closeguard.Event) string {
	for _, a := range ev.Connection().Attrs {
		if a.Key == tagKey {
			return a.Value.String()
		}
	}
	return ""
}
