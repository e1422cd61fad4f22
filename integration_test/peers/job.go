package peers

import "time"

// A Kind says what a client does once its connection is open and it has sent
// Job.Texts. All clients know Text and Close; all but "aiohttp" know Upload, Flood and
// Stall; Navigate and CloseTab are for browsers, whose result is that of before.
type Kind string

const (
	// Upload sends one binary message of Job.Size random bytes and waits to be closed.
	Upload Kind = "upload"
	// Flood sends binary messages of 64 KiB until the close event, as long as the client's
	// bufferedAmount is under 1 MiB; "websockets" and "jdk", which have none, one at a time.
	Flood Kind = "flood"
	// Stall reads nothing for Job.Stall, and then waits to be closed.
	Stall Kind = "stall"
	// Close waits for Job.Answers messages and calls close(Job.Code, Job.Reason).
	Close Kind = "close"
	// Text waits for Job.Answers messages and calls close(1000); with no
	// answers to wait for it waits to be closed.
	Text Kind = "text"
	// Navigate waits for Job.Answers messages and goes to another page.
	Navigate Kind = "navigate"
	// CloseTab waits for Job.Answers messages and closes the tab.
	CloseTab Kind = "close tab"
)

// A Job is one connection of a client.
type Job struct {
	Kind         Kind     `json:"kind"`
	URL          string   `json:"url"` // ws or wss; any certificate is accepted
	Subprotocols []string `json:"subprotocols,omitempty"`
	Deflate      bool     `json:"deflate,omitempty"` // offer and use permessage-deflate; "ws" and Python only; "undici" always offers and never compresses
	Texts        []string `json:"texts,omitempty"`   // text messages to begin with, in every kind of job; in Flood after the first 1 MiB
	Answers      int      `json:"answers,omitempty"` // messages to wait for, whatever they say
	Size         int      `json:"size,omitempty"`    // Upload: bytes
	Code         int      `json:"code,omitempty"`    // Close: with zero, or a code that the client refuses, close() without arguments; "jdk" has none and sends 1000
	Reason       string   `json:"reason,omitempty"`  // Close

	// Stall is for the kind Stall.
	Stall time.Duration `json:"-"`

	// Timeout is how long the client waits for the end of the connection.
	// Zero means 30 seconds.
	Timeout time.Duration `json:"-"`
}

// A Result is what the client saw: its close event if Closed, and the first
// error event or exception, its name first. WasClean is a client's own word,
// which "websockets", "aiohttp" and "jdk" don't have.
type Result struct {
	Opened   bool     `json:"opened"`
	Closed   bool     `json:"closed"`
	Code     int      `json:"code"`
	Reason   string   `json:"reason"`
	WasClean bool     `json:"wasClean"`
	Error    string   `json:"error"`
	Messages []string `json:"messages"` // a binary one as "[binary, N bytes]"
	MS       int      `json:"ms"`       // milliseconds from the start of the job to its end
}
