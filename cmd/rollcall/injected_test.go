package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"github.com/rollcall-id/rollcall/oauth"
)

// What a Service puts into every container of its namespace, with the prefix of its name.
func serviceVariables(prefix string) []string {
	return []string{
		prefix + "_SERVICE_HOST=10.96.0.7", prefix + "_SERVICE_PORT=8080", prefix + "_SERVICE_PORT_HTTP=8080",
		prefix + "_SERVICE_PORT_FILE=8080", // a port that is named file
		prefix + "_PORT=tcp://10.96.0.7:8080",
		prefix + "_PORT_8080_TCP=tcp://10.96.0.7:8080", prefix + "_PORT_8080_TCP_PROTO=tcp",
		prefix + "_PORT_8080_TCP_PORT=8080", prefix + "_PORT_8080_TCP_ADDR=10.96.0.7",
		prefix + "_PORT_53_UDP=udp://[fd00::7]:53", prefix + "_PORT_53_UDP_ADDR=fd00::7", prefix + "_PORT_53_UDP_PROTO=udp",
	}
}

func TestVariablesThatKubernetesInjectsBreakNoCommand(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	if _, err := oauth.OpenKeys(filepath.Join(data, "keys")); err != nil {
		t.Fatal(err)
	}
	for _, prefix := range []string{"ROLLCALL", "ROLLCALL_API", "ROLLCALL_TLS_LISTEN", "ROLLCALL_0"} {
		for _, args := range [][]string{
			{"config", "print"},
			{"config", "check", "--data", data},
			{"keys", "list", "--data", data},
			{"token", "--data", data, "--scope", "read:sessions"},
			{"client", "new", "--id", "a", "--scope", "read:sessions"},
			{"version"},
		} {
			c := exec.Command(program, args...)
			c.Env = append(os.Environ(), serviceVariables(prefix)...)
			if out, err := c.CombinedOutput(); err != nil {
				t.Errorf("%s, %v: %v %s", prefix, args, err, out)
			}
		}
	}
}

func TestASettingThatOnlyLooksInjectedIsRefused(t *testing.T) {
	flags := pflag.NewFlagSet("test", pflag.ContinueOnError)
	addFlags(flags)
	for _, variable := range []string{
		"ROLLCALL_PORT=8080", "ROLLCALL_PORT=http://10.0.0.1:8080", "ROLLCALL_PORT=", "ROLLCALL_SERVICE_HOST=rollcall.example.com", "ROLLCALL_SERVICE_PORT=many",
		"ROLLCALL_PORT_8080_TCP_ADDR=off", "ROLLCALL_LISTEN_PORT=8080", "ROLLCALL_TLS_PORT=8443", "ROLLCALL_LISEN=tcp://10.0.0.1:80", "ROLLCALL_PORT_TCP=tcp://10.0.0.1:80",
		"ROLLCALL_HOST=10.0.0.1", "ROLLCALL_PORT_8080_TCP_PROTO=http",
	} {
		name, _, _ := strings.Cut(variable, "=")
		if _, err := loadConfig(flags, []string{variable}); err == nil || !strings.Contains(err.Error(), name+": there is no key") {
			t.Errorf("%s: %v", variable, err)
		}
	}
}
