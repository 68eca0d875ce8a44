package server

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// Bounds on a PROXY protocol header, which comes before all else, TLS included.
const (
	proxyHeaderTimeout = time.Second
	maxProxyV1         = 107 // bytes, by the protocol's section 2.1
	maxProxyV2         = 536
	proxyV2Head        = 16
)

var proxyV2Signature = []byte("\r\n\r\n\x00\r\nQUIT\n")

var errProxyHeader = errors.New("no PROXY protocol header")

// readProxyHeader reads a header of the PROXY protocol, version 1 or 2, and no byte beyond it.
// source is where the connection to the proxy came from, invalid when the proxy names none: then
// the peer itself counts. Cases of those:
//
//   - the command LOCAL
//   - UNKNOWN of version 1, the family UNSPEC or UNIX of version 2
//
// Errors: errProxyHeader for what is no header, or one past the bounds; those of r.
func readProxyHeader(r io.Reader) (source netip.AddrPort, err error) {
	head := make([]byte, proxyV2Head, maxProxyV2)
	first := len(proxyV2Signature) // fewer bytes than any header has
	if _, err := io.ReadFull(r, head[:first]); err != nil {
		return source, err
	}
	if !bytes.Equal(head[:first], proxyV2Signature) {
		return readProxyV1(r, head[:first])
	}
	if _, err := io.ReadFull(r, head[first:]); err != nil {
		return source, err
	}
	length := int(binary.BigEndian.Uint16(head[14:]))
	if length > maxProxyV2-proxyV2Head {
		return source, errProxyHeader
	}
	rest := head[proxyV2Head : proxyV2Head+length]
	if _, err := io.ReadFull(r, rest); err != nil {
		return source, err
	}
	return proxyV2Source(head[12], head[13], rest)
}

// readProxyV1 reads on in a line of which the beginning was read.
func readProxyV1(r io.Reader, line []byte) (source netip.AddrPort, err error) {
	if !bytes.HasPrefix(line, []byte("PROXY ")) {
		return source, errProxyHeader
	}
	for !bytes.HasSuffix(line, []byte("\r\n")) {
		if len(line) == maxProxyV1 {
			return source, errProxyHeader
		}
		var next [1]byte // what follows the line is not ours to read
		if _, err := io.ReadFull(r, next[:]); err != nil {
			return source, err
		}
		line = append(line, next[0])
	}
	words := strings.Split(string(line[:len(line)-2]), " ")
	if words[1] == "UNKNOWN" {
		return source, nil
	}
	if len(words) != 6 {
		return source, errProxyHeader
	}
	from, fromOK := proxyV1Address(words[1], words[2], words[4])
	_, toOK := proxyV1Address(words[1], words[3], words[5])
	if !fromOK || !toOK {
		return source, errProxyHeader
	}
	return from, nil
}

func proxyV1Address(family, ip, port string) (netip.AddrPort, bool) {
	addr, err := netip.ParseAddr(ip)
	n, portErr := strconv.ParseUint(port, 10, 16)
	ok := err == nil && portErr == nil && addr.Zone() == "" && (family == "TCP4" && addr.Is4() || family == "TCP6" && addr.Is6())
	return netip.AddrPortFrom(addr.Unmap(), uint16(n)), ok
}

// proxyV2Source reads what follows the signature of version 2: the command, the family, and
// the addresses, which other things may follow.
func proxyV2Source(command, family byte, addresses []byte) (source netip.AddrPort, err error) {
	const local, proxy = 0x20, 0x21
	const unspecified, tcp4, tcp6, unix = 0x00, 0x11, 0x21, 0x31
	size := map[byte]int{unspecified: 0, tcp4: 4, tcp6: 16, unix: 0}
	ip, known := size[family]
	switch {
	case command == local:
		return source, nil
	case command != proxy || !known || len(addresses) < 2*ip+4 && ip > 0:
		return source, errProxyHeader
	case ip == 0:
		return source, nil
	}
	addr, _ := netip.AddrFromSlice(addresses[:ip])
	return netip.AddrPortFrom(addr.Unmap(), binary.BigEndian.Uint16(addresses[2*ip:])), nil
}

// proxied reads the header of a new connection, whose peer must be allowed to send one, and
// returns the address that counts as the peer's.
func (l *connections) proxied(raw net.Conn) (net.Addr, error) {
	peer := peerOf(raw)
	if addr := ipOf(peer); addr.IsValid() && !l.proxies.Trust(addr) {
		return nil, errors.New("the peer is not in the list of those that may send a PROXY protocol header")
	}
	if err := raw.SetReadDeadline(time.Now().Add(proxyHeaderTimeout)); err != nil {
		return nil, err
	}
	source, err := readProxyHeader(raw)
	if err == nil {
		err = raw.SetReadDeadline(time.Time{})
	}
	if err != nil || !source.IsValid() {
		return peer, err
	}
	return net.TCPAddrFromAddrPort(source), nil
}
