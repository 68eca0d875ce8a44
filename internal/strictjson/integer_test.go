package strictjson_test

import (
	"math"
	"math/big"
	"testing"

	"github.com/rollcall-id/rollcall/internal/strictjson"
)

func TestAnIntegerHasNoFractionHoweverItIsSpelled(t *testing.T) {
	for text, want := range map[string]int64{
		"0": 0, "-0": 0, "0.0": 0, "0e99": 0, "-0.000e-5": 0, "1": 1, "-1": -1, "3600.0": 3600, "1e3": 1000, "1E+3": 1000, "-1.50e1": -15,
		"1200e-2": 12, "0.0012e4": 12, "9223372036854775807": math.MaxInt64, "922337203685477580.7e1": math.MaxInt64,
		"9223372036854775808": math.MaxInt64, "-99999999999999999999": -math.MaxInt64, "1e999999999999999999999": math.MaxInt64, "-1e400": -math.MaxInt64,
	} {
		if got, ok := strictjson.Integer(text); !ok || got != want {
			t.Errorf("%s: %d, %t, want %d", text, got, ok, want)
		}
	}
	for _, text := range []string{"", "1.5", "1e-1", "0.1", "1.0001e3", "1e-999999999999999999999", "15e-1", "x", "+1", "01", "1.", ".5", "1e", "0x10", " 1", "1 ", "NaN", "1_000"} {
		if got, ok := strictjson.Integer(text); ok {
			t.Errorf("%q is read as %d", text, got)
		}
	}
}

func FuzzInteger(f *testing.F) {
	for _, seed := range []string{"3600.0", "1e3", "-1.50e1", "1200e-2", "0.0012e4", "1e-1", "9223372036854775808"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, ok := strictjson.Integer(text)
		if len(text) > 40 {
			return // an exact value could be too large to be made
		}
		value, err := strictjson.Parse([]byte(text))
		if err != nil {
			return
		}
		exact, isNumber := new(big.Rat).SetString(text)
		if value == nil || !isNumber {
			return
		}
		if ok != exact.IsInt() {
			t.Fatalf("%s: is an integer: %t", text, ok)
		}
		if ok && exact.Num().IsInt64() && exact.Num().Int64() != got && exact.Num().Int64() != math.MinInt64 {
			t.Errorf("%s: %d", text, got)
		}
	})
}
