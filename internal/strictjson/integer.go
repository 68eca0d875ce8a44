package strictjson

import (
	"math"
	"strconv"
	"strings"
)

// Integer returns the value of a number as JSON spells it, if that is an integer as JSON
// Schema has it: without a fraction, however it is spelled (3600, 3600.0, 36e2). A value
// beyond an int64 becomes the nearest int64. ok is false for a fraction and for a text that
// is no number.
func Integer(text string) (value int64, ok bool) {
	p := parser{rest: text}
	if _, ok := p.number(); !ok || len(p.rest) > 0 {
		return 0, false
	}
	mantissa, exponent, _ := strings.Cut(strings.ToLower(text), "e")
	mantissa, negative := strings.CutPrefix(mantissa, "-")
	whole, fraction, _ := strings.Cut(mantissa, ".")
	// The value is digits, an integer, times ten to the power of tens.
	digits := strings.TrimLeft(whole+fraction, "0")
	if digits == "" {
		return 0, true
	}
	tens := -len(fraction) + power(exponent)
	significant := strings.TrimRight(digits, "0")
	if tens += len(digits) - len(significant); tens < 0 {
		return 0, false
	}
	value = math.MaxInt64
	if len(significant)+tens <= maxDigits {
		value, _ = strconv.ParseInt(significant+strings.Repeat("0", tens), 10, 64) // MaxInt64 out of range
	}
	if negative {
		return -value, true
	}
	return value, true
}

const (
	// maxDigits is how many digits an int64 has at most.
	maxDigits = 19
	// maxPower is a power of ten that no text is long enough to make up for.
	maxPower = 1 << 30
)

// power reads an exponent, "" for none. One that is farther from 0 than maxPower becomes that.
func power(exponent string) int {
	n, err := strconv.ParseInt(exponent, 10, 32)
	switch {
	case err == nil:
		return int(min(max(n, -maxPower), maxPower))
	case strings.HasPrefix(exponent, "-"):
		return -maxPower
	case exponent == "":
		return 0
	}
	return maxPower
}
