package request

import (
	"net/http"
	"strings"
)

// AcceptsGzip reports whether a client takes an answer that is compressed by gzip (RFC 9110
// 12.5.3). Cases, the first that holds:
//
//  1. Accept-Encoding names gzip, or x-gzip: yes if its quality is above 0
//  2. it has *: yes if the quality of that is above 0
//  3. no, also without the header: a client that says nothing often cannot
func AcceptsGzip(h http.Header) bool {
	others := false
	for _, line := range h["Accept-Encoding"] {
		for element := range strings.SplitSeq(line, ",") {
			coding, parameters, _ := strings.Cut(element, ";")
			switch coding = strings.Trim(coding, space); {
			case equalASCII(coding, "gzip"), equalASCII(coding, "x-gzip"):
				return !isZero(parameters)
			case coding == "*":
				others = !isZero(parameters)
			}
		}
	}
	return others
}
