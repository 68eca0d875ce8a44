package server

//lint:file-ignore SA1019 net/http serves HTTP/2 on connections of crypto/tls alone, and has nothing to look at them with.

import (
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"net/http"

	"golang.org/x/net/http2"
)

// answerMalformed has a server answer 400 to requests over HTTP/2 that are malformed, such as
// those with a bad escape in the path. By itself net/http resets their stream, and the client
// does not learn why (RFC 9113 8.1.1 allows both). refused is called for each such answer.
func answerMalformed(s *http.Server, refused func()) error {
	conf := &http2.Server{}
	if err := http2.ConfigureServer(s, conf); err != nil {
		return fmt.Errorf("HTTP/2: %w", err)
	}
	s.TLSNextProto[http2.NextProtoTLS] = func(s *http.Server, c *tls.Conn, h http.Handler) {
		conf.ServeConn(&http2Connection{Conn: c, write: c.Write, refused: refused}, &http2.ServeConnOpts{BaseConfig: s, Handler: h})
	}
	return nil
}

// An http2Connection looks at the frames that a server of HTTP/2 writes. A reset for a
// protocol error on a stream becomes an answer if no answer has begun on that stream or on a
// later one: then the server found the error when it read the request's header, or in its body.
// All else passes as it is.
//
// One goroutine writes at a time.
type http2Connection struct {
	*tls.Conn
	write   func([]byte) (int, error) // the Conn's
	refused func()

	held     []byte // a part of a frame that cannot be judged yet: 12 bytes at most
	payload  int    // bytes of the present frame that are still to pass
	answered uint32 // the last stream on which an answer has begun
}

// Sizes of frames, in bytes (RFC 9113 4.1, 6.4).
const (
	frameHeader = 9
	resetFrame  = frameHeader + 4
)

// Write writes b, but for a part of a frame that is kept for the next call.
func (c *http2Connection) Write(b []byte) (int, error) {
	data := b
	if len(c.held) > 0 {
		data = append(c.held, b...)
		c.held = nil
	}
	sent, at := 0, 0 // data[:sent] is written, data[:at] is judged
	for at < len(data) {
		if c.payload > 0 {
			n := min(c.payload, len(data)-at)
			c.payload, at = c.payload-n, at+n
			continue
		}
		frame := data[at:]
		if len(frame) < frameHeader || isReset(frame) && len(frame) < resetFrame {
			c.held = append([]byte(nil), frame...)
			break
		}
		stream := binary.BigEndian.Uint32(frame[5:]) &^ (1 << 31)
		if isReset(frame) && http2.ErrCode(binary.BigEndian.Uint32(frame[frameHeader:])) == http2.ErrCodeProtocol && stream > c.answered {
			answer := append(append([]byte(nil), data[sent:at]...), malformed(stream)...)
			if _, err := c.write(answer); err != nil {
				return 0, err
			}
			c.refused()
			c.answered = stream
			at += resetFrame
			sent = at
			continue
		}
		if http2.FrameType(frame[3]) == http2.FrameHeaders {
			c.answered = max(c.answered, stream)
		}
		c.payload = int(frame[0])<<16 | int(frame[1])<<8 | int(frame[2])
		at += frameHeader
	}
	if at > sent {
		if _, err := c.write(data[sent:at]); err != nil {
			return 0, err
		}
	}
	return len(b), nil
}

func isReset(frame []byte) bool { return http2.FrameType(frame[3]) == http2.FrameRSTStream }

// malformed is the answer 400 on a stream, and the word that nothing more is read of the
// request (RFC 9113 8.1). It has no body: the server keeps count of what the client has room
// for, and knows nothing of what is sent past it.
func malformed(stream uint32) []byte {
	var fields []byte
	for _, f := range [][2]string{{":status", "400"}, {"cache-control", "no-store"}, {"content-length", "0"}} {
		// A literal without indexing (RFC 7541 6.2.2) changes nothing that the two ends
		// remember of each other's fields. Lengths are below 127.
		fields = append(fields, 0, byte(len(f[0])))
		fields = append(append(fields, f[0]...), byte(len(f[1])))
		fields = append(fields, f[1]...)
	}
	b := appendFrame(nil, http2.FrameHeaders, http2.FlagHeadersEndHeaders|http2.FlagHeadersEndStream, stream, fields)
	return appendFrame(b, http2.FrameRSTStream, 0, stream, make([]byte, 4)) // NO_ERROR
}

func appendFrame(b []byte, kind http2.FrameType, flags http2.Flags, stream uint32, payload []byte) []byte {
	b = append(b, byte(len(payload)>>16), byte(len(payload)>>8), byte(len(payload)), byte(kind), byte(flags))
	return append(binary.BigEndian.AppendUint32(b, stream), payload...)
}
