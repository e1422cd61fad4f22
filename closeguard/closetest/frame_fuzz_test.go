package closetest

import (
	"bytes"
	"io"
	"math/big"
	"reflect"
	"testing"

	"github.com/closeguard/ws/closeguard"
)

// reference reads the frame at the start of a stream of which all bytes are at
// hand. size is the frame's, more than the stream has if it ends inside.
func reference(b []byte, from closeguard.Role) (f Frame, size *big.Int) {
	b = append(bytes.Clone(b), make([]byte, 14)...) // so that no header is cut
	f = Frame{Opcode: b[0] % 16, RSV: b[0] / 16 % 8, More: b[0] < 128}
	masked := b[1] >= 128
	f.WrongMask = masked != (from == closeguard.Client)
	head, length := 2, big.NewInt(int64(b[1]%128))
	if extended := map[byte]int{126: 2, 127: 8}[b[1]%128]; extended > 0 {
		head += extended
		length.SetBytes(b[2:head])
	}
	var key [4]byte
	if masked {
		key = [4]byte(b[head:])
		head += 4
	}
	for i := 0; head+i < len(b)-14 && big.NewInt(int64(i)).Cmp(length) < 0; i++ {
		f.Payload = append(f.Payload, b[head+i]^key[i%4])
	}
	return f, length.Add(length, big.NewInt(int64(head)))
}

// A peer reads what is there, frame by frame, and what it writes it reads again.
func FuzzReadFrame(f *testing.F) {
	f.Add([]byte("\x81\x05Hello"), false)
	f.Add([]byte("\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"), true)
	f.Add([]byte("\x88\x7e\x00\x02\x03\xe8"), false)
	f.Add([]byte("\x82\x7f\x00\x00\x00\x00\x04\x00\x00\x01"), false)
	f.Fuzz(func(t *testing.T, stream []byte, masked bool) {
		from := closeguard.Server
		if masked {
			from = closeguard.Client
		}
		for r := bytes.NewReader(stream); ; {
			rest := stream[len(stream)-r.Len():]
			got, err := readFrame(r, from)
			if len(rest) == 0 {
				if err != io.EOF {
					t.Errorf("at the end: %v, want EOF", err)
				}
				return
			}
			want, size := reference(rest, from)
			if size.Cmp(big.NewInt(int64(len(rest)))) > 0 {
				if err == nil || err == io.EOF {
					t.Errorf("%d of %v bytes are read as %v, %v", len(rest), size, got, err)
				}
				return
			}
			if err != nil {
				t.Fatalf("%x: %v", rest, err)
			}
			if left := int64(len(rest)) - size.Int64(); left != int64(r.Len()) {
				t.Errorf("%d bytes are left of %x, want %d", r.Len(), rest, left)
			}
			if !same(got, want) {
				t.Errorf("%x is read as %+v, want %+v", rest, got, want)
			}
			if again, err := readFrame(bytes.NewReader(got.append(nil, from)), from); err != nil || !same(again, got) {
				t.Errorf("written %+v, read again %+v, %v", got, again, err)
			}
		}
	})
}

func same(a, b Frame) bool {
	if len(a.Payload) == 0 && len(b.Payload) == 0 {
		a.Payload, b.Payload = nil, nil
	}
	return reflect.DeepEqual(a, b)
}
