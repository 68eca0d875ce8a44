package server

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/rollcall-id/rollcall/internal/request"
)

// How an address to listen on begins that is none of a network.
const (
	unixAddress   = "unix:"    // unix:/PATH or unix:/PATH|MODE, the mode in octal
	handedAddress = "systemd:" // systemd:NAME, a socket that was handed over under that name
)

// defaultSocketMode lets the process's user and group connect to a Unix socket.
const defaultSocketMode = 0o660

// checkAddress refuses what open cannot read.
func checkAddress(address string) error {
	if name, ok := strings.CutPrefix(address, handedAddress); ok {
		if name == "" {
			return fmt.Errorf("%q names no socket: the name is FileDescriptorName in the socket's unit", address)
		}
		return nil
	}
	if isUnix(address) {
		_, _, err := unixSocket(address)
		return err
	}
	if _, _, err := net.SplitHostPort(address); err != nil {
		return fmt.Errorf("%q is no address such as 127.0.0.1:8443, unix:/run/rollcall.sock or systemd:NAME: %w", address, err)
	}
	return nil
}

// staysHere reports whether nobody beyond this machine can reach an address. A socket that is
// handed over is judged once it is open.
func staysHere(address string) bool {
	return isUnix(address) || isHanded(address) || isLoopback(address)
}

func isUnix(address string) bool { return strings.HasPrefix(address, unixAddress) }

func isHanded(address string) bool { return strings.HasPrefix(address, handedAddress) }

// unixSocket reads the path and the mode of a Unix socket's address.
func unixSocket(address string) (path string, mode fs.FileMode, err error) {
	path, octal, given := strings.Cut(strings.TrimPrefix(address, unixAddress), "|")
	if !filepath.IsAbs(path) {
		return "", 0, fmt.Errorf("%q is no address such as unix:/run/rollcall.sock: the path must be absolute", address)
	}
	mode = defaultSocketMode
	if given {
		n, err := strconv.ParseUint(octal, 8, 32)
		if err != nil || n > 0o777 {
			return "", 0, fmt.Errorf("%q ends in no mode such as |0660", address)
		}
		mode = fs.FileMode(n)
	}
	return path, mode, nil
}

// open opens the socket of an address that checkAddress has nothing against.
func open(address string) (net.Listener, error) {
	if isUnix(address) {
		return openUnix(address)
	}
	if name, ok := strings.CutPrefix(address, handedAddress); ok {
		return handedOver(name)
	}
	return net.Listen("tcp", address)
}

// openUnix listens at a path. What a server left there that has ended is replaced; a socket on
// which somebody listens, and any other file, is not.
func openUnix(address string) (net.Listener, error) {
	path, mode, err := unixSocket(address)
	if err != nil {
		return nil, err
	}
	switch info, err := os.Lstat(path); {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, err
	case info.Mode().Type() != fs.ModeSocket:
		return nil, fmt.Errorf("%s is there and no socket", path)
	default:
		c, err := net.Dial("unix", path)
		if err == nil {
			return nil, errors.Join(fmt.Errorf("another process listens on %s", path), c.Close())
		}
		if !errors.Is(err, syscall.ECONNREFUSED) {
			return nil, err
		}
		if err := os.Remove(path); err != nil {
			return nil, err
		}
	}
	restore := narrowUmask(mode) // nobody can connect before the mode is set
	l, err := net.Listen("unix", path)
	restore()
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, mode); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

// firstHanded is the descriptor of the first socket that systemd hands over (sd_listen_fds).
const firstHanded = 3

// handedOver returns the socket that was handed over to this process under a name.
func handedOver(name string) (net.Listener, error) {
	count, _ := strconv.Atoi(os.Getenv("LISTEN_FDS"))
	if pid, err := strconv.Atoi(os.Getenv("LISTEN_PID")); err != nil || pid != os.Getpid() || count < 1 {
		return nil, fmt.Errorf("no socket was handed over to this process, and none named %q: start it by a systemd socket unit", name)
	}
	names := strings.Split(os.Getenv("LISTEN_FDNAMES"), ":")
	at := slices.Index(names, name)
	if at < 0 || at >= count {
		return nil, fmt.Errorf("no socket named %q was handed over, but %q: the name is FileDescriptorName in the socket's unit", name, names)
	}
	f := os.NewFile(uintptr(firstHanded+at), name)
	l, err := net.FileListener(f) // which takes a copy
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, fmt.Errorf("the socket %q that was handed over: %w", name, err)
	}
	return l, nil
}

// unixPeer is the address of who comes over a Unix socket, and has none.
type unixPeer struct{}

func (unixPeer) Network() string { return "unix" }
func (unixPeer) String() string  { return request.UnixPeer }

// peerOf is a connection's peer as it counts.
func peerOf(raw net.Conn) net.Addr {
	if _, ok := raw.(*net.UnixConn); ok {
		return unixPeer{}
	}
	return raw.RemoteAddr()
}
