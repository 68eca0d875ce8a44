package main

import (
	"math"
	"slices"
	"time"
)

// An estimate is a median with an interval that needs no assumption on how the
// rounds are distributed: two of their order statistics (the sign test turned
// round). Coverage is how often such an interval holds the true median.
type estimate struct {
	Median   float64 `json:"median"`
	Low      float64 `json:"low"`
	High     float64 `json:"high"`
	Coverage float64 `json:"coverage"`
}

// confidence is what the interval has at least, when there are rounds enough.
const confidence = 0.95

func estimated(values []float64) estimate {
	v := slices.Sorted(slices.Values(values))
	n := len(v)
	if n == 0 {
		return estimate{}
	}
	// The widest interval leaves out nothing; each order statistic further in
	// costs the two tails of the binomial distribution at it.
	in, coverage := 0, 1-2*binomialTail(n, 0)
	for in+1 < n/2 && 1-2*binomialTail(n, in+1) >= confidence {
		in++
		coverage = 1 - 2*binomialTail(n, in)
	}
	return estimate{Median: (v[(n-1)/2] + v[n/2]) / 2, Low: v[in], High: v[n-1-in], Coverage: max(coverage, 0)}
}

// binomialTail is the probability of at most k heads in n throws.
func binomialTail(n, k int) float64 {
	sum, term := 0.0, math.Exp2(-float64(n))
	for i := 0; i <= k; i++ {
		sum += term
		term *= float64(n-i) / float64(i+1)
	}
	return sum
}

// quantile is the value below which the share q of the sorted ones lies.
func quantile(sorted []time.Duration, q float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(len(sorted)-1, int(q*float64(len(sorted))))]
}
