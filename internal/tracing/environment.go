package tracing

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"

	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
)

// The variables that are read here, because the SDK does not read them, or passes over what is
// wrong with them. It reads all others.
const (
	disabled       = "OTEL_SDK_DISABLED"
	exporterNames  = "OTEL_TRACES_EXPORTER"
	propagators    = "OTEL_PROPAGATORS"
	anyEndpoint    = "OTEL_EXPORTER_OTLP_ENDPOINT"
	tracesEndpoint = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
	anyProtocol    = "OTEL_EXPORTER_OTLP_PROTOCOL"
	tracesProtocol = "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"
)

// defaultEndpoint is that of the specification; the SDK's own speaks TLS.
const defaultEndpoint = "http://localhost:4318/v1/traces"

// choice is what the environment asks for.
type choice struct {
	traces  bool // spans are made and sent
	parents bool // a traceparent may be followed
}

// wanted reads what the environment asks for, and refuses what is not built in.
func wanted() (choice, error) {
	switch exporter := variable(exporterNames); {
	case strings.EqualFold(variable(disabled), "true"), exporter == "none":
		return choice{}, nil
	case exporter == "" && variable(anyEndpoint) == "" && variable(tracesEndpoint) == "":
		return choice{}, nil
	case exporter != "" && exporter != "otlp":
		return choice{}, fmt.Errorf("%s=%q: the exporter is otlp, or none for no traces", exporterNames, exporter)
	}
	parents, err := followsParents()
	return choice{traces: true, parents: parents}, errors.Join(checkProtocol(), checkCompression(), checkEndpoints(), checkNumbers(), err)
}

// followsParents reads the propagators. Baggage is taken by name and never read.
func followsParents() (bool, error) {
	text := variable(propagators)
	if text == "" {
		return true, nil
	}
	var names []string
	for name := range strings.SplitSeq(text, ",") {
		names = append(names, strings.TrimSpace(name))
	}
	for _, name := range names {
		if !slices.Contains([]string{"tracecontext", "baggage", "none"}, name) {
			return false, fmt.Errorf("%s names %q: the propagators are tracecontext, baggage and none", propagators, name)
		}
	}
	return slices.Contains(names, "tracecontext") && !slices.Contains(names, "none"), nil
}

// checkProtocol refuses the protocols that are not built in.
func checkProtocol() error {
	name := tracesProtocol
	if variable(name) == "" {
		name = anyProtocol
	}
	switch protocol := variable(name); protocol {
	case "", "http/protobuf", "http/json":
		return nil
	default:
		return fmt.Errorf("%s=%q is not built in: send traces by http/protobuf (%s=http/protobuf, mostly port 4318), or none (%s=none)",
			name, protocol, tracesProtocol, exporterNames)
	}
}

// checkEndpoints refuses what is no URL with a host. An endpoint may hold a secret, so that the
// error does not repeat it.
func checkEndpoints() error {
	for _, name := range []string{anyEndpoint, tracesEndpoint} {
		text := variable(name)
		u, err := url.Parse(text)
		if text != "" && (err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https") {
			return fmt.Errorf("%s is no URL such as http://127.0.0.1:4318", name)
		}
	}
	return nil
}

// checkCompression refuses what the exporter would take for none.
func checkCompression() error {
	for _, form := range otlp {
		if name := form + "COMPRESSION"; !slices.Contains([]string{"", "none", "gzip"}, variable(name)) {
			return fmt.Errorf("%s=%q is not built in: it is gzip or none", name, variable(name))
		}
	}
	return nil
}

// checkNumbers refuses numbers with which the SDK would panic, or never rest.
func checkNumbers() error {
	const most = 1 << 20
	for _, n := range []struct {
		name  string
		least int
	}{
		{"OTEL_BSP_MAX_QUEUE_SIZE", 1},
		{"OTEL_BSP_MAX_EXPORT_BATCH_SIZE", 1},
		{"OTEL_BSP_SCHEDULE_DELAY", 1},
		{"OTEL_BSP_EXPORT_TIMEOUT", 0},
		{otlp[0] + "TIMEOUT", 0},
		{otlp[1] + "TIMEOUT", 0},
	} {
		text := variable(n.name)
		if got, err := strconv.Atoi(text); text != "" && (err != nil || got < n.least || got > most) {
			return fmt.Errorf("%s must be a whole number from %d to %d", n.name, n.least, most)
		}
	}
	return nil
}

// endpoint is where spans go when no variable says so.
func endpoint() []otlptracehttp.Option {
	if variable(anyEndpoint) != "" || variable(tracesEndpoint) != "" {
		return nil
	}
	return []otlptracehttp.Option{otlptracehttp.WithEndpointURL(defaultEndpoint)}
}

// otlp are how the names of the exporter's variables begin; the second wins.
var otlp = []string{"OTEL_EXPORTER_OTLP_", "OTEL_EXPORTER_OTLP_TRACES_"}

// Files are those that the environment names for the way to the collector: keys, and
// certificates, which decide whom the spans are sent to. Without traces there are none.
func Files() (keys, certificates []string) {
	if asked, err := wanted(); err != nil || !asked.traces {
		return nil, nil
	}
	for _, form := range otlp {
		keys = append(keys, variable(form+"CLIENT_KEY"))
		certificates = append(certificates, variable(form+"CLIENT_CERTIFICATE"), variable(form+"CERTIFICATE"))
	}
	isNone := func(path string) bool { return path == "" }
	return slices.DeleteFunc(keys, isNone), slices.DeleteFunc(certificates, isNone)
}

// Warnings are what may be meant otherwise: that headers, which mostly hold a key, go to another
// machine in the clear.
func Warnings() (all []string) {
	asked, err := wanted()
	target := cmp.Or(variable(tracesEndpoint), variable(anyEndpoint), defaultEndpoint)
	u, parseErr := url.Parse(target)
	if err != nil || parseErr != nil || !asked.traces || u.Scheme != "http" || isLoopback(u.Hostname()) {
		return nil
	}
	for _, form := range otlp {
		if variable(form+"HEADERS") != "" {
			all = append(all, form+"HEADERS go to another machine over plain http, where others can read them: give the collector an https endpoint")
		}
	}
	return all
}

func isLoopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.IsLoopback()
}

// variable is the value of a variable, as the SDK reads it.
func variable(name string) string { return strings.TrimSpace(os.Getenv(name)) }
