package request

import (
	"strings"
	"testing"
)

func TestAnOriginIsAsBrowsersWriteIt(t *testing.T) {
	for origin, says := range map[string]string{
		"https://app.example.com": "", "http://localhost:3000": "", "https://a": "", "https://app_1.example.com:8443": "", "https://192.0.2.1": "", "https://[2001:db8::1]:8443": "", "https://xn--bcher-kva.example": "",

		"https://App.example.com":     "browsers write https://app.example.com",
		"HTTPS://app.example.com":     "browsers write https://app.example.com",
		"https://app.example.com:443": "browsers write https://app.example.com",
		"http://app.example.com:80":   "browsers write http://app.example.com",
		"https://app.example.com:":    "browsers write https://app.example.com",
		"https://app.example.com.":    "browsers write https://app.example.com",
		"https://a.example:08443":     "browsers write https://a.example:8443",
		"https://[2001:DB8:0::1]":     "browsers write https://[2001:db8::1]",
		"https://app.example.com?":    "browsers write https://app.example.com",
		"https://app.example.com#":    "browsers write https://app.example.com",

		"": "no origin", "app.example.com": "no origin", "https://": "no origin", "https://a/": "no origin", "https://a/b": "no origin", "https://a?b": "no origin", "https://a#b": "no origin",
		"https://u@a": "no origin", "ftp://a": "no origin", "null": "no origin", "*": "no origin", "//a": "no origin", " https://a": "no origin",
		"https://bücher.example": "xn--", "https://a..b": "the host", "https://*.example.com": "the host", "https://1.2.3": "the host", "https://a.b.0x": "", "https://a b": "no origin", "https://[fe80::1%25eth0]": "the host",
		"https://a:0": "port", "https://a:99999": "port", "https://a:x": "no origin",
	} {
		err := CheckOrigin(origin)
		if says == "" && err != nil || says != "" && (err == nil || !strings.Contains(err.Error(), says)) {
			t.Errorf("%q: %v, want %q", origin, err, says)
		}
	}
}
