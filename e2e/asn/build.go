// Command asn makes a network database of the MaxMind format from the CSV files of
// the npm package @ip-location-db/asn: asn DIRECTORY FILE.
package main

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"

	"github.com/maxmind/mmdbwriter"
	"github.com/maxmind/mmdbwriter/mmdbtype"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: asn DIRECTORY FILE")
		os.Exit(2)
	}
	if err := build(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "asn:", err)
		os.Exit(1)
	}
}

func build(dir, file string) error {
	tree, err := mmdbwriter.New(mmdbwriter.Options{DatabaseType: "rollcall-test-ASN", RecordSize: 24, IncludeReservedNetworks: true})
	if err != nil {
		return err
	}
	for _, name := range []string{"asn-ipv4.csv", "asn-ipv6.csv"} {
		if err := insertAll(tree, filepath.Join(dir, name)); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	_, err = tree.WriteTo(f)
	return errors.Join(err, f.Close())
}

// insertAll reads lines of first address, last address, number and name. The
// names are left out: nothing reads them.
func insertAll(tree *mmdbwriter.Tree, file string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	lines := csv.NewReader(f)
	lines.FieldsPerRecord = 4
	lines.ReuseRecord = true
	for {
		line, err := lines.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		n, err := strconv.ParseUint(line[2], 10, 32)
		if err != nil {
			return err
		}
		record := mmdbtype.Map{"autonomous_system_number": mmdbtype.Uint32(n)}
		err = tree.InsertRange(net.ParseIP(line[0]), net.ParseIP(line[1]), record)
		// Nobody on the internet has an address that stands for an IPv4 one.
		if _, aliased := errors.AsType[*mmdbwriter.AliasedNetworkError](err); err != nil && !aliased {
			return fmt.Errorf("%s: %w", line[0], err)
		}
	}
}
