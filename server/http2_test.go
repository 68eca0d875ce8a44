package server_test

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"net/url"
	"os"
	"testing"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/rollcall-id/rollcall/server"
)

// An http2Client speaks HTTP/2 frame by frame, as no library of clients would.
type http2Client struct {
	t      *testing.T
	framer *http2.Framer
	stream uint32
	fields *hpack.Encoder
	block  bytes.Buffer
	host   string
}

func dialHTTP2(r *running) *http2Client {
	u, err := url.Parse(r.secure)
	r.must(err)
	ca, err := os.ReadFile(server.CAFile(r.dir))
	r.must(err)
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca)
	conn, err := tls.Dial("tcp", u.Host, &tls.Config{RootCAs: pool, NextProtos: []string{"h2"}})
	r.must(err)
	r.t.Cleanup(func() { _ = conn.Close() })
	_, err = conn.Write([]byte(http2.ClientPreface))
	r.must(err)
	c := &http2Client{t: r.t, framer: http2.NewFramer(conn, conn), host: u.Host, stream: 1}
	c.framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	c.fields = hpack.NewEncoder(&c.block)
	r.must(c.framer.WriteSettings())
	return c
}

// ask sends a request with its pseudo-header fields and others, and returns the answer's fields
// and body, or how the stream was reset.
func (c *http2Client) ask(fields ...string) (header map[string]string, body string, reset http2.ErrCode) {
	c.t.Helper()
	c.stream += 2
	c.block.Reset()
	for i := 0; i < len(fields); i += 2 {
		if err := c.fields.WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1]}); err != nil {
			c.t.Fatal(err)
		}
	}
	err := c.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: c.stream, BlockFragment: c.block.Bytes(), EndStream: true, EndHeaders: true})
	if err != nil {
		c.t.Fatal(err)
	}
	header = map[string]string{}
	for {
		frame, err := c.framer.ReadFrame()
		if err != nil {
			c.t.Fatal(err)
		}
		switch f := frame.(type) {
		case *http2.MetaHeadersFrame:
			for _, field := range f.Fields {
				header[field.Name] = field.Value
			}
		case *http2.DataFrame:
			body += string(f.Data())
		case *http2.RSTStreamFrame:
			if f.StreamID != c.stream {
				continue // of an answer that has been read
			}
			return header, body, f.ErrCode
		case *http2.GoAwayFrame:
			c.t.Fatalf("%v %s", f, f.DebugData())
		}
		if frame.Header().StreamID == c.stream && frame.Header().Flags.Has(http2.FlagDataEndStream) {
			return header, body, http2.ErrCodeNo
		}
	}
}

func TestAMalformedRequestOverHTTP2IsAnswered400AndNotReset(t *testing.T) {
	r := start(t)
	c := dialHTTP2(r)
	get := func(path string, more ...string) (map[string]string, string, http2.ErrCode) {
		return c.ask(append([]string{":method", "GET", ":scheme", "https", ":authority", c.host, ":path", path}, more...)...)
	}
	good := func() {
		t.Helper()
		for range 3 {
			if header, body, reset := get("/healthz"); header[":status"] != "200" || body != `{"status":"ok"}` || reset != 0 {
				t.Errorf("a good request: %v %s %v", header, body, reset)
			}
		}
	}
	good()
	for name, ask := range map[string]func() (map[string]string, string, http2.ErrCode){
		"a bad escape":       func() (map[string]string, string, http2.ErrCode) { return get("/api/v2/users/%zz/sessions") },
		"half an escape":     func() (map[string]string, string, http2.ErrCode) { return get("/api/v2/users/a%2") },
		"no path":            func() (map[string]string, string, http2.ErrCode) { return get("x") },
		"a name in capitals": func() (map[string]string, string, http2.ErrCode) { return get("/healthz", "X-Capital", "x") },
		"a person in the authority": func() (map[string]string, string, http2.ErrCode) {
			return c.ask(":method", "GET", ":scheme", "https", ":authority", "u@"+c.host, ":path", "/healthz")
		},
	} {
		header, body, reset := ask()
		if header[":status"] != "400" || header["cache-control"] != "no-store" || body != "" || reset != http2.ErrCodeNo {
			t.Errorf("%s: %v %s, reset: %v", name, header, body, reset)
		}
		good()
	}
}
