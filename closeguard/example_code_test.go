package closeguard_test

import (
	"errors"
	"fmt"
	"strings"

	"github.com/closeguard/ws/closeguard"
)

func ExampleCode() {
	fmt.Println(closeguard.GoingAway)
	fmt.Println(closeguard.Code(4000))
	fmt.Println(closeguard.Code(70000))
	// Output:
	// 1001 going away
	// 4000 private use
	// 70000 outside
}

func ExampleParseCloseFrame() {
	frame, err := closeguard.ParseCloseFrame([]byte("\x03\xe9tab closed"))
	fmt.Println(frame, err)

	frame, err = closeguard.ParseCloseFrame(nil)
	fmt.Println(frame, err)

	frame, err = closeguard.ParseCloseFrame([]byte("\x03\xee"))
	fmt.Println(frame)
	fmt.Println(err)
	// Output:
	// 1001 going away "tab closed" <nil>
	// 1005 no status received <nil>
	// 1006 abnormal closure
	// closeguard: close code 1006 must not appear in a frame (RFC 6455 section 7.4.1)
}

func ExampleCloseFrame_Validate() {
	fmt.Println(closeguard.CloseFrame{}.Validate(closeguard.Server))
	fmt.Println(closeguard.CloseFrame{Code: closeguard.NoStatusReceived}.Validate(closeguard.Server))
	fmt.Println(closeguard.CloseFrame{Code: 1000, Reason: strings.Repeat("é", 62)}.Validate(closeguard.Server))
	// Output:
	// closeguard: close code 0 is in the unused range 0 to 999 (RFC 6455 section 7.4.2)
	// <nil>
	// closeguard: close reason of 124 bytes is longer than 123 (RFC 6455 section 5.5)
}

func ExampleCloseFrame_Fit() {
	fmt.Println(closeguard.CloseFrame{Code: 1006, Reason: "backend gone"}.Fit(closeguard.Server))
	fmt.Println(closeguard.CloseFrame{Code: 70000, Reason: "caf\xe9"}.Fit(closeguard.Server))
	// Output:
	// 1001 going away "backend gone"
	// 1011 internal error "caf�"
}

func ExampleFrameError() {
	_, err := closeguard.ParseCloseFrame([]byte("\x03\xe8\xff"))
	var broken *closeguard.FrameError
	if errors.As(err, &broken) {
		fmt.Println(broken)
		fmt.Printf("%q\n", broken.Payload)
	}
	// Output:
	// closeguard: close reason is not UTF-8 at byte 0 (RFC 6455 section 5.5.1)
	// "\x03\xe8\xff"
}
