package measure

import (
	"fmt"
	"strconv"

	"github.com/closeguard/ws/closeguard"
	"github.com/closeguard/ws/closeguard/catalog"
)

// illegal is the word for a code that must not be sent.
const illegal = "illegal"

// maxCodes is how many codes catalogs may name: each is a value of a label.
const maxCodes = 256

// codes are the numbers of the codes that have a name, as words.
type codes map[closeguard.Code]string

// newCodes takes the codes of the registry and those that catalogs name.
func newCodes(catalogs []catalog.Names) (codes, error) {
	known := make(codes)
	for code := closeguard.Code(0); code < 5000; code++ {
		if code.Name() != "" {
			known[code] = strconv.Itoa(int(code))
		}
	}
	for i, names := range catalogs {
		if names == nil {
			return nil, fmt.Errorf("Options.Catalogs[%d] is nil: must not be", i)
		}
		n := 0
		for code := closeguard.Code(3000); code < 5000; code++ {
			if names(closeguard.ConnInfo{}, code) != "" {
				known[code] = strconv.Itoa(int(code))
				n++
			}
		}
		if n > maxCodes {
			return nil, fmt.Errorf("Options.Catalogs[%d] has names for %d codes: must be at most %d, each is a value of a label", i, n, maxCodes)
		}
	}
	return known, nil
}

// word is the number of a code that has a name, else the class of the code.
func (c codes) word(code closeguard.Code) string {
	word, known := c[code]
	switch {
	case known:
		return word
	case code >= 3000 && code < 4000:
		return "3xxx"
	case code >= 4000 && code < 5000:
		return "4xxx"
	}
	return illegal
}
