// Package sink is where text of others passes on its way to a person: to a log, or to a
// terminal. Nothing that passes can steer a terminal or turn the order of what is read, and no
// secret that has the form of one gets into a log.
package sink

import (
	"io"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// Line returns a text as one line that only shows: what does not is spelled as \uXXXX, as JSON
// spells it, and so are line feeds and tabs. Bytes that are no UTF-8 become U+FFFD.
func Line(text string) string {
	if isPlain([]byte(text), false) {
		return text
	}
	return string(appendVisible(nil, []byte(text), false))
}

// Terminal returns a writer to w for what people read. Each Write holds whole characters. Line
// feeds and tabs stay as they are, all else is written as Line has it: JSON stays the same JSON.
func Terminal(w io.Writer) io.Writer { return &writer{w: w} }

// Log returns a writer to w for a log, of which each Write is a line or several. It is Terminal
// without secrets: see redact.
func Log(w io.Writer) io.Writer { return &writer{w: w, redacts: true} }

type writer struct {
	w       io.Writer
	redacts bool
}

// Write implements [io.Writer]. It reports all of b as written, or nothing.
func (w *writer) Write(b []byte) (int, error) {
	text := b
	if w.redacts {
		text = redact(text)
	}
	if !isPlain(text, true) {
		text = appendVisible(make([]byte, 0, len(text)+64), text, true)
	}
	if _, err := w.w.Write(text); err != nil {
		return 0, err
	}
	return len(b), nil
}

// isPlain reports whether a text is ASCII that shows, and with lines also line feeds and tabs.
func isPlain(text []byte, lines bool) bool {
	for _, c := range text {
		if (c < ' ' || c > '~') && !(lines && (c == '\n' || c == '\t')) {
			return false
		}
	}
	return true
}

// appendVisible appends a text as Line has it, and with lines as Terminal has it.
func appendVisible(b, text []byte, lines bool) []byte {
	for len(text) > 0 {
		r, size := utf8.DecodeRune(text)
		text = text[size:]
		switch {
		case unicode.IsGraphic(r) || lines && (r == '\n' || r == '\t'):
			b = utf8.AppendRune(b, r)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			b = appendEscape(appendEscape(b, high), low)
		default:
			b = appendEscape(b, r)
		}
	}
	return b
}

func appendEscape(b []byte, r rune) []byte {
	const hex = "0123456789abcdef"
	return append(b, '\\', 'u', hex[r>>12&15], hex[r>>8&15], hex[r>>4&15], hex[r&15])
}
