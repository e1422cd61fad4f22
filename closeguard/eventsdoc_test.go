package closeguard

import (
	"context"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"maps"
	"net"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/closeguard/ws/closeguard/cause"
	"github.com/closeguard/ws/closeguard/internal/closing"
)

// eventsDoc is docs/events.md, and the rows of the table of one of its sections by
// their first cell.
func eventsDoc(t *testing.T, section string) (text string, rows map[string][]string) {
	t.Helper()
	b, err := os.ReadFile("../docs/events.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(b), "\n## "+section+"\n")
	table, _, _ = strings.Cut(table, "\n## ")
	rows = make(map[string][]string)
	for _, m := range regexp.MustCompile("(?m)^\\| `(\\w+)` \\| (.*) \\|$").FindAllStringSubmatch(table, -1) {
		if _, twice := rows[m[1]]; twice {
			t.Errorf("docs/events.md has %s twice in %s", m[1], section)
		}
		rows[m[1]] = strings.Split(m[2], " | ")
	}
	return string(b), rows
}

// examples are the events of which docs/events.md has the line.
func examples() []Event {
	bob := ConnInfo{
		Number: 4711, Role: Server, Guarded: true, Remote: "192.0.2.1:52110",
		Route: "GET /chat/{room}", Path: "/chat/42", Subprotocol: "chat.v2",
	}
	ending := func(e Ending) Ending {
		e.ConnInfo, e.Duration, e.Idle, e.guard = bob, 61*time.Second, 1500*time.Millisecond, naming("")
		return e
	}
	asked := bob
	asked.Number, asked.Guarded, asked.Subprotocol = 0, false, ""
	return []Event{
		&Opened{bob},
		&Refused{ConnInfo: asked, Status: 503, Err: ErrShutdown},
		&PeerClosed{ending(Ending{Received: frame(1001, "tab closed"), Sent: frame(1001, ""), Handshake: 2 * time.Millisecond})},
		&PeerClosed{ending(Ending{
			Received: frame(1000, ""), Sent: frame(1000, ""), Handshake: 2 * time.Millisecond,
			Traffic: &Traffic{ReceivedMessages: 12, ReceivedBytes: 604, SentMessages: 4711, SentBytes: 1_390_226},
		})},
		&LocalClosed{ending(Ending{
			Sent: frame(1001, "no such code"), Intended: frame(1006, "no such code"), Received: frame(1001, "no such code"),
			Handshake: 12 * time.Millisecond, misfit: true,
		})},
		&Dropped{ending(Ending{Err: connReset, cause: cause.Reset})},
		&Progress{Open: 48, Report: Report{
			Answered: 950, PeerFirst: 1, Dropped: 1, Duration: 3 * time.Second,
			Slowest: []Slow{{ConnInfo: bob, Took: 1200 * time.Millisecond}},
		}},
		&More{Kind: "dropped", Cause: cause.Reset, Code: AbnormalClosure, Count: 4211, Over: 10 * time.Second},
	}
}

// Every event's line stands in docs/events.md as LogObserver writes it, and every
// key that a line may have is explained there, and in one of them.
func TestTheDocumentationHasEveryKey(t *testing.T) {
	text, rows := eventsDoc(t, "Keys")
	inLines := make(map[string]bool)
	for _, ev := range examples() {
		line := logLine(t, ev)
		if !strings.Contains(text, "\n"+line+"\n") {
			t.Errorf("docs/events.md doesn't have the line\n%s", line)
		}
		for key := range loggedGroup(t, ev) {
			inLines[key] = true
		}
	}
	everything := Ending{
		ConnInfo: ConnInfo{Number: 1, Route: "/", Path: "/", Subprotocol: "chat"},
		Sent:     frame(4000, "s"), Received: frame(4000, "r"), Intended: frame(1006, "i"), Err: io.EOF, Handshake: 1, guard: naming("n"),
	}
	keys := maps.Clone(inLines)
	for _, ev := range []Event{&PeerClosed{everything}, &LocalClosed{everything}, &Dropped{everything}} {
		for key := range loggedGroup(t, ev) {
			keys[key] = true
		}
	}
	for key := range keys {
		if len(rows[key]) != 2 {
			t.Errorf("docs/events.md doesn't explain %s", key)
		}
		if !inLines[key] {
			t.Errorf("no line in docs/events.md has %s", key)
		}
	}
	for name := range rows {
		if !keys[name] {
			t.Errorf("docs/events.md explains %s, which no line has", name)
		}
	}
}

// Every cause stands in docs/events.md as package cause explains it, with what an
// event says that has it.
func TestTheDocumentationHasEveryCause(t *testing.T) {
	words := meanings(t)
	_, rows := eventsDoc(t, "Causes")
	seen := make(map[string]bool)
	for _, ex := range causeExamples {
		ev := aLink(t, ex.happened...).event(nil, false)
		name := ev.Cause().String()
		if ev.Cause() != ex.cause || seen[name] {
			t.Errorf("%v: the example of %v", ev, ex.cause)
		}
		seen[name] = true
		want := []string{words[strings.ReplaceAll(name, "_", "")], "`" + ev.Error() + "`", strings.ToLower(level(ev).String())}
		if !slices.Equal(rows[name], want) {
			t.Errorf("docs/events.md should have\n| `%s` | %s |", name, strings.Join(want, " | "))
		}
	}
	if len(words) != len(causeExamples) {
		t.Errorf("%d causes, %d examples", len(words), len(causeExamples))
	}
	for name := range rows {
		if !seen[name] {
			t.Errorf("docs/events.md has the cause %s, which there isn't", name)
		}
	}
}

// meanings are what package cause says of each, by its name in lower case.
func meanings(t *testing.T) map[string]string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "cause/cause.go", nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	words := make(map[string]string)
	ast.Inspect(file, func(n ast.Node) bool {
		if spec, ok := n.(*ast.ValueSpec); ok && spec.Doc != nil {
			doc := strings.Join(strings.Fields(spec.Doc.Text()), " ")
			if _, meaning, ok := strings.Cut(doc, ": "); ok {
				words[strings.ToLower(spec.Names[0].Name)] = strings.TrimSuffix(meaning, ".")
			}
		}
		return true
	})
	return words
}

// causeExamples are an end for each cause.
var causeExamples = []struct {
	cause    cause.Cause
	happened happenings
}{
	{cause.None, happenings{theirs(closePayload(1001, "tab closed")), ours(GoingAway, "")}},
	{cause.EOF, happenings{end(io.EOF)}},
	{cause.Reset, happenings{end(connReset)}},
	{cause.TLS, happenings{happens(closing.ReadEnded{Reason: closing.Reason{Cause: cause.TLS, Err: errors.New("tls: bad record MAC")}})}},
	{cause.Transport, happenings{end(errors.New("no route to host"))}},
	{cause.ReadTimeout, happenings{ran(cause.ReadTimeout, ioTimeout), bare}},
	{cause.WriteTimeout, happenings{ran(cause.WriteTimeout, &net.OpError{Op: "write", Net: "tcp", Err: os.ErrDeadlineExceeded}), bare}},
	{cause.Context, happenings{ran(cause.Context, context.DeadlineExceeded), bare}},
	{cause.HandlerError, happenings{
		ours(InternalError, "internal error"), theirs(closeOf(1011)),
		happens(closing.Told{Reason: closing.Reason{Cause: cause.HandlerError, Err: errors.New("database is gone")}}),
	}},
	{cause.Panic, happenings{ours(InternalError, "internal error"), theirs(closeOf(1011)), panicking("index out of range")}},
	{cause.ProtocolError, happenings{violation, ours(ProtocolError, "RSV1 set"), theirs(closeOf(1002))}},
	{cause.FrameUnsent, happenings{asked(GoingAway, "bye"), because(cause.FrameUnsent), aborted}},
	{cause.BareClose, happenings{because(cause.BareClose), bare}},
	{cause.PingTimeout, happenings{ours(GoingAway, "ping timeout"), because(cause.PingTimeout), limit(cause.CloseIdle)}},
	{cause.IdleTimeout, happenings{ours(GoingAway, "idle timeout"), theirs(closeOf(1001)), because(cause.IdleTimeout)}},
	{cause.MaxAge, happenings{ours(GoingAway, "maximum age reached"), theirs(closeOf(1001)), because(cause.MaxAge)}},
	{cause.WriteStall, happenings{asked(PolicyViolation, "too slow"), aborted, because(cause.WriteStall)}},
	{cause.CloseIdle, happenings{ours(NormalClosure, ""), limit(cause.CloseIdle)}},
	{cause.CloseTimeout, happenings{ours(MessageTooBig, ""), limit(cause.CloseTimeout)}},
	{cause.CloseBytes, happenings{ours(MessageTooBig, ""), limit(cause.CloseBytes)}},
	{cause.Evicted, happenings{ours(NormalClosure, ""), limit(cause.Evicted)}},
	{cause.Shutdown, happenings{ours(GoingAway, "server shutting down"), theirs(closeOf(1001)), because(cause.Shutdown)}},
	{cause.Kicked, happenings{ours(PolicyViolation, "banned"), theirs(closeOf(1008)), because(cause.Kicked)}},
	{cause.Aborted, happenings{aborted, because(cause.Aborted)}},
	{cause.Abandoned, happenings{ours(GoingAway, ""), theirs(closeOf(1001)), because(cause.Abandoned)}},
}

// Each event stands in docs/events.md with its message and level.
func TestTheDocumentationHasEveryEvent(t *testing.T) {
	_, rows := eventsDoc(t, "Events")
	for _, ev := range examples() {
		name := strings.TrimPrefix(fmt.Sprintf("%T", ev), "*closeguard.")
		if cells := rows[name]; len(cells) != 2 || cells[0] != message(ev) {
			t.Errorf("docs/events.md says of %s: %v", name, cells)
		}
	}
	for _, ev := range examples() {
		delete(rows, strings.TrimPrefix(fmt.Sprintf("%T", ev), "*closeguard."))
	}
	if len(rows) > 0 {
		t.Errorf("docs/events.md has events that there are not: %v", rows)
	}
}

// The report in docs/shutdown.md is one as a shutdown returns it.
func TestTheDocumentationHasTheReport(t *testing.T) {
	text, err := os.ReadFile("../docs/shutdown.md")
	if err != nil {
		t.Fatal(err)
	}
	report := Report{
		Answered: 14650, PeerFirst: 12, Unanswered: 330, Unsent: 3, Dropped: 5, Duration: 25 * time.Second,
		Slowest: []Slow{{ConnInfo: ConnInfo{Remote: "192.0.2.7:52110"}, Took: 5 * time.Second}},
	}
	if !strings.Contains(string(text), "\n"+report.String()+"\n") {
		t.Errorf("docs/shutdown.md doesn't have\n%v", report)
	}
}
