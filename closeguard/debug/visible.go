package debug

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// visible is s with escapes for what can't be seen, or makes other text stand elsewhere
// or look like something else: control characters, those that turn the direction of
// text around, those without a shape, and bytes that are no UTF-8. A backslash is
// doubled, so that nobody can write an escape. What HTML takes for markup is
// html/template's business.
func visible(s string) string {
	if !strings.ContainsFunc(s, func(r rune) bool { return r == '\\' || r == utf8.RuneError || hidden(r) }) {
		return s
	}
	var b strings.Builder
	for len(s) > 0 {
		r, n := utf8.DecodeRuneInString(s)
		switch {
		case r == utf8.RuneError && n == 1:
			fmt.Fprintf(&b, `\x%02x`, s[0])
		case r == '\\':
			b.WriteString(`\\`)
		case hidden(r):
			b.WriteString(strings.Trim(strconv.QuoteRuneToASCII(r), "'"))
		default:
			b.WriteRune(r)
		}
		s = s[n:]
	}
	return b.String()
}

// hidden reports whether a character can't be seen. What Unicode has as letters or
// marks without a shape are strconv.IsPrint's, too.
func hidden(r rune) bool {
	const braillePatternBlank = '\u2800'
	if r < 0x7f {
		return r < ' '
	}
	return !strconv.IsPrint(r) || r == braillePatternBlank ||
		unicode.In(r, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector)
}

// toJSON is v as JSON, which says the same as encoding/json's, but is ASCII
// wherever a character can't be seen.
func toJSON(v any) ([]byte, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	out := make([]byte, 0, len(text)+len(text)/8)
	for len(text) > 0 {
		r, n := utf8.DecodeRune(text)
		switch {
		case !hidden(r):
			out = append(out, text[:n]...)
		case r < 0x10000:
			out = fmt.Appendf(out, `\u%04x`, r)
		default:
			high, low := utf16.EncodeRune(r)
			out = fmt.Appendf(out, `\u%04x\u%04x`, high, low)
		}
		text = text[n:]
	}
	return out, nil
}
