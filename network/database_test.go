package network

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/maxmind/mmdbwriter"
	"github.com/maxmind/mmdbwriter/mmdbtype"

	"github.com/rollcall-id/rollcall/internal/logtest"
)

// write makes a database of prefixes and their records.
func write(t *testing.T, path string, records map[string]mmdbtype.DataType) {
	t.Helper()
	tree, err := mmdbwriter.New(mmdbwriter.Options{DatabaseType: "test", RecordSize: 24, IncludeReservedNetworks: true, DisableIPv4Aliasing: true})
	if err != nil {
		t.Fatal(err)
	}
	for prefix, record := range records {
		_, n, err := net.ParseCIDR(prefix)
		if err != nil {
			t.Fatal(err)
		}
		if err := tree.Insert(n, record); err != nil {
			t.Fatal(err)
		}
	}
	var b bytes.Buffer
	if _, err := tree.WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	replace(t, path, b.Bytes())
}

// replace puts another file in a file's place, as whoever publishes one should.
func replace(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path+".new", data, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

func flat(n uint32) mmdbtype.DataType {
	return mmdbtype.Map{"autonomous_system_number": mmdbtype.Uint32(n), "autonomous_system_organization": mmdbtype.String("Example")}
}

func open(t *testing.T, path string) (*Database, *logtest.Buffer) {
	t.Helper()
	l := &logtest.Buffer{}
	d, err := Open(path, l.Logger())
	if err != nil {
		t.Fatal(err)
	}
	return d, l
}

func TestEveryVendorsLayoutIsRead(t *testing.T) {
	for name, record := range map[string]mmdbtype.DataType{
		"flat":           flat(64496),
		"traits":         mmdbtype.Map{"traits": mmdbtype.Map{"autonomous_system_number": mmdbtype.Uint32(64496)}},
		"text":           mmdbtype.Map{"asn": mmdbtype.String("AS64496"), "as_name": mmdbtype.String("Example")},
		"number":         mmdbtype.Map{"asn": mmdbtype.Uint32(64496)},
		"signed":         mmdbtype.Map{"asn": mmdbtype.Int32(64496)},
		"nested text":    mmdbtype.Map{"as": mmdbtype.Map{"asn": mmdbtype.String("as64496")}},
		"nested":         mmdbtype.Map{"asn": mmdbtype.Map{"asn": mmdbtype.Uint64(64496)}},
		"nested number":  mmdbtype.Map{"as": mmdbtype.Map{"number": mmdbtype.Uint16(64496)}},
		"text of digits": mmdbtype.Map{"as_number": mmdbtype.String("64496")},
	} {
		path := filepath.Join(t.TempDir(), "asn.mmdb")
		write(t, path, map[string]mmdbtype.DataType{"192.0.2.0/24": record, "2001:db8::/32": record})
		d, _ := open(t, path)
		for ip, want := range map[string]string{
			"192.0.2.7": "64496", "::ffff:192.0.2.7": "64496", "2001:db8::1": "64496", "2001:db8::1%eth0": "64496",
			"198.51.100.1": "", "2001:db9::1": "", "": "", "x": "",
		} {
			if got := d.Number(ip); got != want {
				t.Errorf("%s: %q is in %q, want %q", name, ip, got, want)
			}
		}
	}
}

func TestWhatIsNoNumberIsUnknown(t *testing.T) {
	path := filepath.Join(t.TempDir(), "asn.mmdb")
	write(t, path, map[string]mmdbtype.DataType{
		"192.0.2.0/26":   mmdbtype.Map{"asn": mmdbtype.String("AS64496")},
		"192.0.2.64/26":  mmdbtype.Map{"asn": mmdbtype.String("AS64496 <b>")},
		"192.0.2.128/26": mmdbtype.Map{"asn": mmdbtype.String("AS0")},
		"192.0.2.192/26": mmdbtype.Map{"asn": mmdbtype.Uint64(1 << 40)},
	})
	d, _ := open(t, path)
	for ip, want := range map[string]string{"192.0.2.1": "64496", "192.0.2.65": "", "192.0.2.129": "", "192.0.2.193": ""} {
		if got := d.Number(ip); got != want {
			t.Errorf("%s is in %q, want %q", ip, got, want)
		}
	}
}

func TestAFileThatIsNoDatabaseOfNetworksIsRefused(t *testing.T) {
	dir := t.TempDir()
	good, country := filepath.Join(dir, "good"), filepath.Join(dir, "country")
	write(t, good, map[string]mmdbtype.DataType{"192.0.2.0/24": flat(64496)})
	write(t, country, map[string]mmdbtype.DataType{"192.0.2.0/24": mmdbtype.Map{"country": mmdbtype.String("DE")}})
	data, err := os.ReadFile(good)
	if err != nil {
		t.Fatal(err)
	}
	replace(t, filepath.Join(dir, "cut"), data[:len(data)/2])
	replace(t, filepath.Join(dir, "empty"), nil)
	huge, err := os.Create(filepath.Join(dir, "huge"))
	if err != nil {
		t.Fatal(err)
	}
	if err := huge.Truncate(maxSize + 1); err != nil {
		t.Fatal(err)
	}
	_ = huge.Close()
	for name, want := range map[string]string{
		"none": "no such file", "cut": "invalid MaxMind DB", "empty": "invalid MaxMind DB", "country": "holds no autonomous system numbers", "huge": "at most",
	} {
		_, err := Open(filepath.Join(dir, name), slog.New(slog.DiscardHandler))
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), filepath.Join(dir, name)) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAFileThatChangesIsReadAnewAndABrokenOneIsNot(t *testing.T) {
	path := filepath.Join(t.TempDir(), "asn.mmdb")
	write(t, path, map[string]mmdbtype.DataType{"192.0.2.0/24": flat(64496)})
	synctest.Test(t, func(t *testing.T) {
		d, l := open(t, path)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- d.Run(ctx) }()
		after := func(polls int) string {
			time.Sleep(time.Duration(polls)*pollInterval + time.Millisecond)
			synctest.Wait()
			return d.Number("192.0.2.1")
		}
		write(t, path, map[string]mmdbtype.DataType{"192.0.2.0/24": flat(64497)})
		if got := after(2); got != "64497" {
			t.Errorf("after the file was replaced: %q", got)
		}
		replace(t, path, []byte("broken"))
		if got := after(5); got != "64497" || l.Count("cannot be read anew") != 1 {
			t.Errorf("after a broken file: %q, logged %d times", got, l.Count("cannot be read anew"))
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		if got := after(5); got != "64497" || l.Count("cannot be read anew") != 2 {
			t.Errorf("after the file is gone: %q, logged %d times", got, l.Count("cannot be read anew"))
		}
		write(t, path, map[string]mmdbtype.DataType{"192.0.2.0/24": flat(64498)})
		if got := after(2); got != "64498" || l.Count("has been read anew") != 2 {
			t.Errorf("after a good file: %q, read %d times", got, l.Count("has been read anew"))
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func TestAFileThatIsStillBeingWrittenIsLeftAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "asn.mmdb")
	write(t, path, map[string]mmdbtype.DataType{"192.0.2.0/24": flat(64496)})
	d, l := open(t, path)
	for i := range 5 {
		if err := os.WriteFile(path, make([]byte, i+1), 0o600); err != nil {
			t.Fatal(err)
		}
		d.poll()
	}
	if got := d.Number("192.0.2.1"); got != "64496" || l.Count("msg=") != 0 {
		t.Errorf("%q, logged %d lines", got, l.Count("msg="))
	}
}

func TestLookingUpGoesOnWhileTheFileIsReplaced(t *testing.T) {
	path := filepath.Join(t.TempDir(), "asn.mmdb")
	write(t, path, map[string]mmdbtype.DataType{"192.0.2.0/24": flat(64496)})
	d, _ := open(t, path)
	stop := make(chan struct{})
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if got := d.Number("192.0.2.1"); got != "64496" && got != "64497" {
					t.Errorf("%q", got)
					return
				}
			}
		})
	}
	for i := range uint32(20) {
		write(t, path, map[string]mmdbtype.DataType{"192.0.2.0/24": flat(64496 + i%2)})
		d.Reload()
		if err := os.Truncate(path, 10); err != nil { // what is in memory does not mind
			t.Fatal(err)
		}
	}
	close(stop)
	readers.Wait()
	if got := d.Number("192.0.2.1"); got != "64497" {
		t.Errorf("in the end: %q", got)
	}
}
