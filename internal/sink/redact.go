package sink

import "bytes"

// Redacted stands in a log for what was a secret.
const Redacted = "[redacted]"

// The least lengths, in bytes, of what is taken for a secret behind its mark: a shorter text is
// none, and may be a word of a message.
const (
	leastToken  = 8
	leastBearer = 16
)

// redact returns a text without what has the form of a secret:
//
//   - a session token or a client's secret: rcs_ or rccs_ and letters of base64url;
//   - a JWT: eyJ, letters of base64url, a dot, and what follows of letters and dots;
//   - credentials behind the words Bearer or Basic, in a URL too.
//
// The mark stays, so that the line says what was there. A text that was cut is redacted as far as
// it goes. redact returns text itself if nothing is to be redacted, and never changes it.
func redact(text []byte) []byte {
	var out []byte
	done := 0 // text[:done] is in out
	run := 0  // where the letters of base64url end that text[at] is one of
	for at := 0; at < len(text); at++ {
		switch text[at] {
		default:
			continue
		case 'c', 'e', 'E', 'a', 'A':
		}
		if at >= run {
			run = at + span(text[at:], isBase64URL)
		}
		if from, to := secret(text, at, run); from < to {
			out = append(append(out, text[done:from]...), Redacted...)
			done = to
			at = to - 1
		}
	}
	if done == 0 {
		return text
	}
	return append(out, text[done:]...)
}

// secret returns where the secret lies whose mark has its latter part at; from = to for none.
// run is where the letters of base64url end there.
func secret(text []byte, at, run int) (from, to int) {
	switch rest := text[at:]; {
	case bytes.HasPrefix(rest, []byte("cs_")):
		from = at + len("cs_")
		if (bytes.HasSuffix(text[:at], []byte("r")) || bytes.HasSuffix(text[:at], []byte("rc"))) && run-from >= leastToken {
			return from, run
		}
	case bytes.HasPrefix(rest, []byte("eyJ")):
		if run < len(text) && text[run] == '.' {
			return at + len("eyJ"), run + span(text[run:], func(c byte) bool { return isBase64URL(c) || c == '.' })
		}
	case hasWord(rest, "earer"):
		return credentials(text, at+len("earer"))
	case hasWord(rest, "asic"):
		return credentials(text, at+len("asic"))
	}
	return at, at
}

// hasWord reports whether a text begins with a word, in capitals or not.
func hasWord(text []byte, word string) bool {
	return len(text) >= len(word) && bytes.EqualFold(text[:len(word)], []byte(word))
}

// credentials returns where the credentials lie behind a scheme that ends at.
func credentials(text []byte, at int) (from, to int) {
	from = at + span(text[at:], func(c byte) bool { return c == ' ' || c == '\t' })
	if from == at {
		for _, space := range []string{"%20", "%09", "+"} {
			if bytes.HasPrefix(text[at:], []byte(space)) {
				from = at + len(space)
			}
		}
	}
	to = from + span(text[from:], func(c byte) bool { return isBase64URL(c) || c == '.' || c == '~' || c == '+' || c == '/' || c == '=' })
	if from == at || to-from < leastBearer {
		return at, at
	}
	return from, to
}

// span is how many bytes a text begins with that are of a kind.
func span(text []byte, of func(byte) bool) int {
	for i, c := range text {
		if !of(c) {
			return i
		}
	}
	return len(text)
}

func isBase64URL(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '_'
}
